"""A sparse network applied to images."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from elth_jax.datasets.dataset import scaled
from elth_jax.families import Architecture
from elth_jax.families.family import kept_by_network
from elth_jax.nn import conv_backends
from elth_jax.tickets.value import SparseNetwork

BATCH = 256  # images that `accuracy` gives to the network at once


def logits(network: SparseNetwork, images: Any) -> jax.Array:
  """What a network says of images, BN in evaluation mode.

  Args:
    network: of a family of this library's or a registered one.
    images: NHWC of the network's size. uint8 is normalised by the mean and
      deviation on record; floats are taken as normalised.

  Returns:
    float32 (images, classes).

  Raises:
    ValueError: if the images have another shape or dtype, or are uint8 where
      no normalisation is on record.
  """
  architecture = Architecture.from_json(network.architecture)
  variables = {'params': network.params, 'batch_stats': network.batch_stats}
  return _forward(architecture)(variables, _normalized(network, images))


def accuracy(network: SparseNetwork, images: Any, labels: Any) -> float:
  """The share of images whose label has the largest logit, 0 to 1.

  Args:
    network: as for `logits`.
    images: as for `logits`.
    labels: whole numbers from 0, one an image.

  Raises:
    ValueError: as `logits`, or if there are no images, or not as many labels.
  """
  labels = np.asarray(labels)
  if labels.shape != (len(images),) or not len(images):
    raise ValueError(f'{len(images)} images, labels of shape {labels.shape}')
  right = 0
  for start in range(0, len(images), BATCH):
    found = logits(network, images[start : start + BATCH]).argmax(-1)
    right += int((np.asarray(found) == labels[start : start + BATCH]).sum())
  return right / len(labels)


def _normalized(network: SparseNetwork, images: Any) -> Any:
  images = images if isinstance(images, jax.Array) else np.asarray(images)
  wanted = tuple(network.architecture['input_shape'])
  if images.shape[1:] != wanted:
    raise ValueError(
      f'images of shape {images.shape}; the network takes (images, '
      f'{", ".join(map(str, wanted))})'
    )
  if images.dtype == np.uint8:
    record = network.provenance.get('normalization')
    if record is None:
      raise ValueError(
        'images are uint8, and no normalisation is on record; give normalised '
        'floats'
      )
    return scaled(images, *record)
  if not jnp.issubdtype(images.dtype, jnp.floating):
    raise ValueError(
      f'images are {images.dtype}; give uint8 or normalised floats'
    )
  return images


@kept_by_network
def _forward(architecture: Architecture) -> Any:
  # outside of a loop, XLA's own convolution is fast
  return jax.jit(architecture.module(conv_backends.NHWC).apply)
