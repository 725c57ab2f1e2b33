import jax.numpy as jnp
import numpy as np
import pytest

from elth_jax.training.recipe import Recipe
from elth_jax.training.sampling import (
  crop_by_selects,
  crop_by_slices,
  draw_epoch,
  load_batch,
)

RECIPE = Recipe(batch_size=8, flip=True, crop_padding=2)
PLAIN = Recipe(batch_size=8, flip=False, crop_padding=0)


def test_every_example_is_seen_once_and_the_rest_is_padding():
  index = draw_epoch(RECIPE, 21, seed=0, epoch=0)['index']
  assert index.shape == (3, 8)
  assert sorted(index.ravel()) == [-1, -1, -1, *range(21)]
  assert (index[:2] >= 0).all()


def test_epochs_and_seeds_have_their_own_order():
  draws = [draw_epoch(RECIPE, 21, s, e) for s, e in [(0, 0), (0, 1), (1, 0)]]
  for name in ('index', 'flip', 'offset'):
    assert len({d[name].tobytes() for d in draws}) == 3
    again = draw_epoch(RECIPE, 21, 1, 0)[name]
    np.testing.assert_array_equal(again, draws[2][name])


def test_augmentation_is_a_flip_and_a_crop_of_zero_padded_images():
  generator = np.random.default_rng(0)
  images = generator.integers(1, 256, (21, 5, 6, 3)).astype(np.uint8)
  labels = np.arange(21, dtype=np.int32)
  batch = {k: v[2] for k, v in draw_epoch(RECIPE, 21, 0, 0).items()}
  chosen, truth, weights = load_batch(
    RECIPE,
    batch,
    (jnp.asarray(images).reshape(21, -1), jnp.asarray(labels)),
    images.shape[1:],
  )
  assert chosen.dtype == jnp.uint8
  np.testing.assert_array_equal(weights, batch['index'] >= 0)
  for i in range(5):
    image = images[batch['index'][i]]
    if batch['flip'][i]:
      image = np.fliplr(image)
    padded = np.pad(image, ((2, 2), (2, 2), (0, 0)))
    row, column = batch['offset'][i]
    expected = padded[row : row + 5, column : column + 6]
    np.testing.assert_array_equal(chosen[i], expected)
    assert truth[i] == batch['index'][i]


def test_crops_are_the_same_with_and_without_slices():
  generator = np.random.default_rng(0)
  padded = generator.integers(0, 256, (25, 9, 10, 3)).astype(np.uint8)
  rows, columns = np.divmod(np.arange(25, dtype=np.int32), 5)
  offsets = np.stack([rows, columns], 1)
  np.testing.assert_array_equal(
    crop_by_selects((5, 6, 3), jnp.asarray(padded), jnp.asarray(offsets)),
    crop_by_slices((5, 6, 3), jnp.asarray(padded), jnp.asarray(offsets)),
  )


def test_offsets_cover_the_whole_margin():
  offsets = draw_epoch(RECIPE, 4000, 0, 0)['offset']
  assert set(np.unique(offsets)) == set(range(5))


def test_nothing_is_drawn_for_what_a_recipe_does_not_do():
  batches = draw_epoch(PLAIN, 21, 0, 0)
  assert batches.keys() == {'index'}


@pytest.mark.parametrize('recipe', [RECIPE, PLAIN])
def test_batches_have_one_shape(recipe):
  images, labels = jnp.zeros((21, 16), jnp.uint8), jnp.zeros(21, int)
  epoch = draw_epoch(recipe, 21, 0, 0)
  shapes = {
    load_batch(
      recipe,
      {k: v[i] for k, v in epoch.items()},
      (images, labels),
      (4, 4, 1),
    )[0].shape
    for i in range(3)
  }
  assert shapes == {(8, 4, 4, 1)}
