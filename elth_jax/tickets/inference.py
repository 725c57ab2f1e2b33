"""A sparse network applied to images."""

import warnings
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from elth_jax.datasets.checks import check_labels
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
      deviation on record; floats are taken as normalised, with a warning if
      they look like pixels of 0..1 or 0..255.

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
    ValueError: as `logits`, or if there are no images, or not a class for each.
  """
  labels = np.asarray(labels)
  if not len(images):
    raise ValueError('there are no images; give at least one')
  check_labels('labels', labels, len(images), network.architecture['classes'])
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
  record = network.provenance.get('normalization')
  if images.dtype == np.uint8:
    if record is None:
      raise ValueError(
        'images are uint8, and no normalisation is on record; give normalised '
        "floats, or a ticket whose provenance has 'normalization': (mean, std)"
      )
    return scaled(images, *record)
  if not jnp.issubdtype(images.dtype, jnp.floating):
    raise ValueError(
      f'images are {images.dtype}; give uint8 or normalised floats'
    )
  if record is not None and _look_like_pixels(images, record[0]):
    warnings.warn(
      'float images without a negative number: floats are taken as normalised, '
      'and pixels of 0..1 or 0..255 are not; give them as uint8 of 0..255',
      stacklevel=4,
    )
  return images


def _look_like_pixels(images: Any, mean: Sequence[float]) -> bool:
  """Whether there is no pixel below a mean that is above black."""
  if isinstance(images, jax.core.Tracer) or not images.size or not any(mean):
    return False
  return bool(images.min() >= 0) and bool(0 < images.max() <= 255)


@kept_by_network
def _forward(architecture: Architecture) -> Any:
  # outside of a loop, XLA's own convolution is fast
  return jax.jit(architecture.module(conv_backends.NHWC).apply)
