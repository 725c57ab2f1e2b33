import jax.numpy as jnp
import numpy as np
import pytest

from elth_jax import Layout, Plan
from elth_jax.elastic.replicas import (
  add_noise,
  permute_masks,
  reset_statistics,
  scale_leaves,
  take_signs,
)
from elth_jax.trees import flatten

PLAN = Plan({'stage1': (0, 1, 2, 1, 2)})
DRAW = np.random.default_rng(0)


def make(leaf):
  return {
    'stage1': {f'block{i}': {'conv': {'kernel': leaf(i)}} for i in range(5)},
    'head': {'kernel': leaf(9)},
  }


def changed(one, other):
  """The names of the leaves that differ."""
  one, other = flatten(one), flatten(other)
  assert one.keys() == other.keys()
  return {n for n in one if not np.array_equal(one[n], other[n])}


REPLICAS = {f'stage1/block{i}/conv/kernel' for i in (3, 4)}


def test_masks_of_replicas_are_permuted_and_others_kept():
  masks = make(lambda i: DRAW.random((20, 20)) > 0.7)
  new = permute_masks(masks, PLAN, seed=1)
  assert changed(masks, new) == REPLICAS
  for name in REPLICAS:
    assert flatten(new)[name].sum() == flatten(masks)[name].sum()
  assert changed(new, permute_masks(masks, PLAN, seed=1)) == set()
  assert changed(new, permute_masks(masks, PLAN, seed=2)) == REPLICAS


def test_noise_on_replicas_where_they_are_kept():
  masks = make(lambda i: DRAW.random((50, 50)) > 0.5)
  params = make(lambda i: DRAW.normal(0, i + 1, (50, 50)).astype(np.float32))
  new = add_noise(params, masks, PLAN, 0.5, seed=0)
  assert changed(params, new) == REPLICAS
  for name in REPLICAS:
    noise = flatten(new)[name] - flatten(params)[name]
    mask = flatten(masks)[name]
    assert not noise[~mask].any()
    wanted = 0.5 * flatten(params)[name][mask].std()
    assert noise[mask].std() == pytest.approx(wanted, rel=0.1)
    assert noise.dtype == np.float32
  none = {
    **masks,
    'stage1': {b: {'conv': {'kernel': None}} for b in masks['stage1']},
  }
  assert changed(params, add_noise(params, none, PLAN, 0.5, 0)) == set()


def test_leaves_of_replicas_are_scaled():
  params = make(lambda i: np.full(3, i + 1, np.float32))
  new = scale_leaves(params, PLAN, ('conv/kernel',), 0.0)
  assert changed(params, new) == REPLICAS
  assert not flatten(new)['stage1/block4/conv/kernel'].any()
  with pytest.raises(ValueError, match="no leaf of a unit ends in 'bn2/scale'"):
    scale_leaves(params, PLAN, ('bn2/scale',), 0.0)


def test_stacked_replicas():
  layout = Layout(stacked='layers', fixed=0)
  plan = Plan({'layers': (0, 1, 0)})
  tree = {'layers': {'w': jnp.ones((3, 4)), 'b': None}}
  new = scale_leaves(tree, plan, ('w',), 0.5, layout)
  np.testing.assert_array_equal(new['layers']['w'][:, 0], [1, 1, 0.5])
  assert new['layers']['b'] is None


def test_statistics_are_reset():
  stats = {
    'stage1': {
      f'block{i}': {'bn': {'mean': np.full(2, 5.0), 'var': np.full(2, 7.0)}}
      for i in range(5)
    },
    'bn': {'mean': np.full(2, 5.0), 'var': np.full(2, 7.0)},
  }
  new = reset_statistics(stats)
  assert not new['bn']['mean'].any() and (new['bn']['var'] == 1).all()
  only = reset_statistics(stats, PLAN)
  assert changed(stats, only) == {
    f'stage1/block{i}/bn/{name}' for i in (3, 4) for name in ('mean', 'var')
  }
  with pytest.raises(ValueError, match='w is neither a mean nor a var'):
    reset_statistics({'w': np.ones(2)})


def test_signs_on_other_magnitudes():
  new = take_signs(
    {'w': np.array([-2.0, 3, 0])}, {'w': np.array([5.0, -6, -7])}
  )
  np.testing.assert_array_equal(new['w'], [-5, 6, -7])


def test_a_tree_of_other_depths():
  masks = make(lambda i: np.ones((2, 2), bool))
  with pytest.raises(ValueError, match='the plan makes'):
    permute_masks(masks, Plan({'stage1': (0, 1)}), 0)
