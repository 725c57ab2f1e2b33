import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

from elth_jax import Layout, Plan
from elth_jax.elastic.replicas import (
  add_noise,
  noisy_weights,
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


@pytest.mark.parametrize('scale', [-1.0, np.nan, np.inf])
def test_noise_of_a_scale_out_of_range(scale):
  masks = make(lambda i: np.ones(2, bool))
  with pytest.raises(ValueError, match=r'^scale is'):
    add_noise(make(lambda i: np.ones(2)), masks, PLAN, scale, 0)


def test_noise_leaves_what_lies_under_a_mask_alone():
  """Where a masked weight is infinite, and where it is no number."""
  values = np.array([1.0, 2, 3, np.inf, np.nan], np.float32)
  mask = np.array([True, True, True, False, False])
  new = noisy_weights('w', values, mask, 0.1, 0)
  np.testing.assert_array_equal(new[3:], values[3:])
  assert np.isfinite(new[:3]).all() and (new[:3] != values[:3]).all()
  with pytest.raises(ValueError, match=r'^w: the kept weights have no finite'):
    noisy_weights('w', values, ~mask, 0.1, 0)


@pytest.mark.parametrize('dtype', [np.float16, ml_dtypes.bfloat16])
def test_noise_on_half_precision_is_measured_in_float32(dtype):
  weights = (200 + np.arange(40_000) % 2).astype(dtype)
  mask = np.ones(weights.shape, bool)
  new = noisy_weights('w', weights, mask, 8.0, 0)
  assert new.dtype == dtype
  wanted = 8.0 * weights.astype(np.float64).std()
  noise = new.astype(np.float64) - weights.astype(np.float64)
  assert noise.std() == pytest.approx(wanted, rel=0.03)


def test_noise_needs_floats_and_bool_masks():
  mask = np.ones(3, bool)
  with pytest.raises(ValueError, match=r'^w: int64 weights take no noise'):
    noisy_weights('w', np.arange(3), mask, 0.1, 0)
  with pytest.raises(ValueError, match=r'^w: its mask is int64'):
    noisy_weights('w', np.ones(3), mask.astype(int), 0.1, 0)


def test_scaling_by_zero_gives_zeros_whatever_was_there():
  for array in (np.array, jnp.array):
    params = make(lambda i, array=array: array([1.0, np.inf, np.nan]))
    new = scale_leaves(params, PLAN, ('conv/kernel',), 0.0)
    leaf = flatten(new)['stage1/block4/conv/kernel']
    np.testing.assert_array_equal(leaf, 0)
    assert type(leaf) is type(params['head']['kernel'])


@pytest.mark.parametrize(
  ('dtype', 'leaves', 'factor', 'message'),
  [
    (np.float32, ('conv/kernel',), np.nan, 'factor is nan'),
    (np.float32, ('conv/kernel',), -np.inf, 'factor is -inf'),
    (np.float16, ('conv/kernel',), 1e6, 'kernel: float16 cannot be multiplied'),
    (np.int32, ('conv/kernel',), 0.5, 'kernel: int32 cannot be multiplied'),
    (np.float32, 'conv/kernel', 0.5, "leaves is 'conv/kernel'; give a list"),
    (np.float32, ('conv/(',), 0.5, r"cannot read 'conv/\('"),
  ],
)
def test_scaling_that_cannot_work(dtype, leaves, factor, message):
  params = make(lambda i: np.ones(2, dtype))
  with pytest.raises(ValueError, match=message):
    scale_leaves(params, PLAN, leaves, factor)


def test_scaling_by_a_whole_number_keeps_whole_numbers():
  new = scale_leaves(make(lambda i: np.full(2, 3)), PLAN, ('kernel',), -2)
  assert flatten(new)['stage1/block3/conv/kernel'].tolist() == [-6, -6]


def test_signs_of_what_is_no_number():
  one, nan = {'a': {'w': np.ones(2)}}, {'a': {'w': np.array([1.0, np.nan])}}
  with pytest.raises(ValueError, match=r'^a/w: not all weights are numbers'):
    take_signs(nan, one)
  np.testing.assert_array_equal(take_signs(one, nan)['a']['w'], [1, np.nan])
  with pytest.raises(ValueError, match=r'^a/w: signs of shape \(2,\)'):
    take_signs(one, {'a': {'w': np.ones((2, 2))}})


def test_signs_keep_dtypes_infinities_and_missing_leaves():
  own = {'w': np.array([np.inf, 2, 3], np.float16), 'b': None}
  new = take_signs({'w': np.array([-1.0, -0.0, np.inf]), 'b': None}, own)
  assert new['w'].dtype == np.float16 and new['b'] is None
  np.testing.assert_array_equal(new['w'], [-np.inf, 2, 3])


def test_leaves_of_one_shape_get_other_noise_and_other_permutations():
  mask = np.arange(100) % 2 == 0
  new = permute_masks(make(lambda i: mask), PLAN, 0)
  noisy = add_noise(
    make(lambda i: np.arange(100.0)), make(lambda i: mask), PLAN, 1.0, 0
  )
  for tree in (new, noisy):
    one, other = (flatten(tree)[name] for name in sorted(REPLICAS))
    assert not np.array_equal(one, other)
