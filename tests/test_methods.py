import numpy as np
import pytest

from elth_jax.families import Architecture
from elth_jax.masks import counts, layer_densities
from elth_jax.methods import METHODS
from elth_jax.trees import flatten


def make(name, dense, sparse, **settings):
  settings = {
    'seed': 0,
    'level': 1,
    'order': 'append',
    'target': 'resnet8',
    **settings,
  }
  roles = {'rewind': dense, 'imp': sparse, 'source': sparse}
  method = METHODS[name]
  return method.make({role: roles[role] for role in method.needs}, settings)


@pytest.mark.parametrize('name', ['imp', 'reinit', 'random', 'magnitude'])
def test_baselines_match_the_sparsity_of_imp(tickets, name):
  dense, sparse = tickets
  assert counts(make(name, dense, sparse).masks) == counts(sparse.masks)


def test_reinit_keeps_the_mask_and_draws_all_weights_anew(tickets):
  dense, sparse = tickets
  made = make('reinit', dense, sparse)
  for name, mask in flatten(made.masks).items():
    if mask is not None:
      np.testing.assert_array_equal(mask, flatten(sparse.masks)[name])
  for name in ('stem/kernel', 'head/bias', 'stem_bn/scale'):
    assert not np.array_equal(
      flatten(made.params)[name], flatten(dense.params)[name]
    )
  assert np.all(made.batch_stats['stem_bn']['mean'] == 0)


def test_random_shuffles_within_layers_over_dense_rewind_weights(tickets):
  dense, sparse = tickets
  made = make('random', dense, sparse)
  assert layer_densities(made.masks) == layer_densities(sparse.masks)
  other = make('random', dense, sparse, seed=1)
  for name in ('stage3/block0/conv1/kernel', 'stage2/block0/conv2/kernel'):
    mask = flatten(made.masks)[name]
    assert not np.array_equal(mask, flatten(sparse.masks)[name])
    assert not np.array_equal(mask, flatten(other.masks)[name])
    # active weights are the dense ones, not those that IMP left
    np.testing.assert_array_equal(
      flatten(made.params)[name], np.where(mask, flatten(dense.params)[name], 0)
    )
    assert np.all(flatten(made.params)[name][mask] != 0)


def test_magnitude_keeps_the_largest_globally(tickets):
  dense, sparse = tickets
  made = make('magnitude', dense, sparse)
  kept, cut = [], []
  for name, mask in flatten(made.masks).items():
    if mask is not None:
      sizes = np.abs(flatten(dense.params)[name])
      kept.append(sizes[mask])
      cut.append(sizes[~mask])
  assert np.concatenate(kept).min() >= np.concatenate(cut).max()


def test_ett_transforms_the_source(tickets):
  dense, sparse = tickets
  made = make('ett', dense, sparse)
  assert Architecture.from_json(made.architecture).name == 'resnet8'
  assert made.provenance['plan'] == '0:0'


def test_seeds_differ_by_level(tickets):
  one, two = (make('random', *tickets, level=k) for k in (1, 2))
  name = 'stage3/block0/conv1/kernel'
  assert not np.array_equal(flatten(one.masks)[name], flatten(two.masks)[name])
