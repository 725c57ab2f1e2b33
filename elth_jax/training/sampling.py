"""Which images a step sees and how they are augmented, from (seed, epoch).

Orders and augmentation parameters are drawn on the host, an epoch at a time;
the images themselves stay on the device and are cut and flipped there. Streams
draw, cut and flip by themselves.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from elth_jax.datasets.dataset import epoch_order
from elth_jax.randomness import generator
from elth_jax.training.recipe import Recipe
from elth_jax.trees import PyTree


def draw_epoch(
  recipe: Recipe, examples: int, seed: int, epoch: int
) -> dict[str, np.ndarray]:
  """All batches of one epoch.

  Returns:
    `index`, int32 (steps, batch): a permutation of the examples, -1 where the
    last batch is not full. If the recipe flips, `flip`, bool (steps, batch);
    if it crops, `offset`, int32 (steps, batch, 2): rows and columns.
  """
  steps = recipe.steps_per_epoch(examples)
  shape = (steps, recipe.batch_size)
  index = np.full(shape, -1, np.int32)
  index.reshape(-1)[:examples] = epoch_order(examples, seed, epoch)
  batches = {'index': index}
  augment = generator(seed, 'augment', epoch)
  if recipe.flip:
    batches['flip'] = augment.integers(0, 2, shape).astype(bool)
  if recipe.crop_padding:
    offsets = augment.integers(0, 2 * recipe.crop_padding + 1, (*shape, 2))
    batches['offset'] = offsets.astype(np.int32)
  return batches


def load_batch(
  recipe: Recipe,
  batch: PyTree,
  resident: tuple[jax.Array, ...],
  shape: tuple[int, int, int],
) -> tuple[jax.Array, jax.Array, jax.Array]:
  """One step's augmented images (uint8, NHWC), labels and `valid`.

  Args:
    recipe: names the augmentation.
    batch: one row of what `draw_epoch` returns; or of a stream, which has cut
      its images: `image`, uint8 (batch, height, width, channels), and `label`,
      int32 (batch,), -1 where the batch is not full.
    resident: all training images, uint8 (examples, height * width * channels),
      and their labels, int32 (examples,); empty for a stream. Flat rows keep
      one layout: a TPU lays images of few channels out anew at every dispatch.
    shape: (height, width, channels) of an image.

  Returns:
    `valid` is float32: 1 for an example, 0 where the batch is not full.
  """
  if not resident:
    labels = batch['label']
    valid = (labels >= 0).astype(jnp.float32)
    return batch['image'], jnp.maximum(labels, 0), valid
  (images, labels), index = resident, batch['index']
  valid = (index >= 0).astype(jnp.float32)
  index = jnp.maximum(index, 0)
  chosen, labels = images[index].reshape(-1, *shape), labels[index]
  if recipe.flip:
    flip = batch['flip'][:, None, None, None]
    chosen = jnp.where(flip, chosen[:, :, ::-1], chosen)
  if recipe.crop_padding:
    chosen = _crop(chosen, batch['offset'], recipe.crop_padding)
  return chosen, labels, valid


def _crop(images: jax.Array, offsets: jax.Array, padding: int) -> jax.Array:
  margin = (padding, padding)
  padded = jnp.pad(images, ((0, 0), margin, margin, (0, 0)))
  size = images.shape[1:]
  return lax.platform_dependent(
    padded,
    offsets,
    tpu=functools.partial(crop_by_selects, size),
    default=functools.partial(crop_by_slices, size),
  )


def crop_by_slices(size, padded: jax.Array, offsets: jax.Array) -> jax.Array:
  """Each padded image's part of `size` at its offset, by slices.

  A TPU would take one image after the other.
  """

  def crop(image, offset):
    return lax.dynamic_slice(image, (offset[0], offset[1], 0), size)

  return jax.vmap(crop)(padded, offsets)


def crop_by_selects(size, padded: jax.Array, offsets: jax.Array) -> jax.Array:
  """The same without slices: of all places, each image chooses its own."""
  for axis in (1, 2):
    offset = offsets[:, axis - 1, None, None, None]
    length = size[axis - 1]
    chosen = lax.slice_in_dim(padded, 0, length, axis=axis)
    for at in range(1, padded.shape[axis] - length + 1):
      place = lax.slice_in_dim(padded, at, at + length, axis=axis)
      chosen = jnp.where(offset == at, place, chosen)
    padded = chosen
  return padded
