import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from elth_jax.families import architecture
from elth_jax.masks import (
  apply_masks,
  collapsed,
  count_to_prune,
  counts,
  dense_masks,
  keep_largest,
  keep_largest_by_group,
  layer_densities,
  permute_globally,
  permute_within_leaves,
  prune_magnitude,
  sparsity,
)
from elth_jax.trees import flatten


def is_kernel(name):
  return name.endswith('kernel')


def make(values, head=(1.0, 2.0)):
  params = {
    'stage1': {'kernel': np.asarray(values, float), 'bias': np.ones(2)},
    'head': {'kernel': np.asarray(head, float)},
  }
  return params, dense_masks(params, is_kernel)


def test_masks_apply_and_count():
  params, masks = make([3.0, -1.0, 2.0])
  assert masks['stage1']['bias'] is None
  masks['stage1']['kernel'][1] = False
  sparse = apply_masks(params, masks)
  np.testing.assert_array_equal(sparse['stage1']['kernel'], [3, 0, 2])
  np.testing.assert_array_equal(sparse['stage1']['bias'], [1, 1])
  assert counts(masks) == (4, 5)
  assert sparsity(masks) == pytest.approx(0.2)
  assert layer_densities(masks) == {'stage1/kernel': 2 / 3, 'head/kernel': 1}


def test_a_mask_of_another_shape_is_named():
  params, masks = make([1.0, 2.0])
  masks['head']['kernel'] = np.ones(3, bool)
  with pytest.raises(ValueError, match='head/kernel: mask of shape'):
    apply_masks(params, masks)


@given(
  arrays(float, st.integers(1, 30), elements=st.sampled_from([0.0, 1, -1, 2])),
  st.floats(0.01, 0.99),
)
def test_counts_are_exact_whatever_the_ties(values, fraction):
  params, masks = make(values)
  for _ in range(2):
    left = counts(masks)[0]
    expected = left - math.ceil(round(fraction * left, 6))
    new = prune_magnitude(params, masks, fraction)
    assert counts(new)[0] == expected
    flat_new, flat_old = flatten(new), flatten(masks)
    kept, cut = [], []
    for name in ('stage1/kernel', 'head/kernel'):
      assert not np.any(flat_new[name] & ~flat_old[name])
      sizes = np.abs(flatten(params)[name])
      kept += list(sizes[flat_new[name]])
      cut += list(sizes[flat_old[name] & ~flat_new[name]])
    assert min(kept, default=9) >= max(cut, default=0)
    masks = new


def test_ties_are_broken_by_position():
  params, masks = make([1.0, 1.0, 1.0, 1.0], head=[1.0])
  new = prune_magnitude(params, masks, 0.4)
  np.testing.assert_array_equal(new['stage1']['kernel'], [1, 1, 1, 0])
  np.testing.assert_array_equal(new['head']['kernel'], [0])


def test_a_leaf_that_is_never_pruned_is_counted():
  params, masks = make([5.0, 6.0, 7.0, 8.0], head=[0.0, 0.0])
  new = prune_magnitude(params, masks, 0.3, lambda name: name == 'head/kernel')
  assert counts(new) == (4, 6)  # ceil(0.3 * 6) = 2 removed
  assert new['head']['kernel'].all()
  with pytest.raises(ValueError, match='2 are never pruned'):
    prune_magnitude(params, masks, 0.9, lambda name: name == 'head/kernel')


def test_published_counts_of_resnet20():
  """REFERENCE: the published code keeps one weight less at each level."""
  net = architecture('resnet20', (32, 32, 3), 10)
  params = net.init(0)['params']
  ours = theirs = dense_masks(params, net.family.prunable)
  kept, published = [], []
  for _ in range(10):
    ours = prune_magnitude(params, ours, 0.2)
    theirs = prune_magnitude(params, theirs, 0.2, reference_count=True)
    kept.append(counts(ours)[0])
    published.append(counts(theirs)[0])
  assert [published[k] for k in (0, 1, 2, 5, 9)] == [
    216_715,
    173_371,
    138_695,
    71_009,
    29_081,
  ]
  levels = [
    20.00,
    36.00,
    48.80,
    59.04,
    67.23,
    73.79,
    79.03,
    83.22,
    86.58,
    89.26,
  ]
  measured = [100 * (1 - k / 270_896) for k in kept]
  np.testing.assert_allclose(measured, levels, atol=0.006)


def test_published_count_removes_ties():
  params, masks = make([1.0, 1.0, 1.0, 4.0], head=[5.0])
  new = prune_magnitude(params, masks, 0.2, reference_count=True)
  np.testing.assert_array_equal(new['stage1']['kernel'], [0, 0, 0, 1])
  assert counts(new)[0] == 2


def test_permuting_keeps_densities_by_leaf():
  _, masks = make(np.arange(50.0))
  masks['stage1']['kernel'][:30] = False
  shuffled = permute_within_leaves(masks, np.random.default_rng(0))
  assert layer_densities(shuffled) == layer_densities(masks)
  assert not np.array_equal(
    shuffled['stage1']['kernel'], masks['stage1']['kernel']
  )


@pytest.mark.parametrize('fraction', [0.0, 1.0, -1.0, 2.0])
def test_wrong_fractions(fraction):
  with pytest.raises(ValueError, match='fraction to prune'):
    prune_magnitude(*make([1.0]), fraction)


def test_nan_scores_are_refused():
  params, masks = make([1.0, math.nan])
  with pytest.raises(ValueError, match='NaN'):
    prune_magnitude(params, masks, 0.5)
  params, masks = make([1.0])
  with pytest.raises(ValueError, match='cannot keep 9'):
    keep_largest(params, masks, 9)


def test_layers_without_weights_are_named():
  tree = {'a': np.zeros(3, bool), 'b': np.ones(2, bool), 'c': None}
  assert collapsed(tree) == ['a']


def test_permuting_globally_moves_weights_between_leaves_that_are_pruned():
  _, masks = make(np.arange(50.0), head=np.arange(40.0))
  masks['stage1']['kernel'][:30] = False
  masks['head']['kernel'][::2] = False
  shuffled = permute_globally(
    masks, np.random.default_rng(0), lambda name: name == 'head/kernel'
  )
  np.testing.assert_array_equal(
    shuffled['head']['kernel'], masks['head']['kernel']
  )
  assert layer_densities(shuffled) == layer_densities(masks)
  moved = shuffled['stage1']['kernel'] != masks['stage1']['kernel']
  assert moved.any() and shuffled['stage1']['bias'] is None
  mixed = permute_globally(masks, np.random.default_rng(0))
  assert counts(mixed) == counts(masks)
  assert layer_densities(mixed) != layer_densities(masks)


def test_the_count_to_prune_is_that_of_exact_arithmetic():
  """Of fractions with two decimals; 0.07 * 100 is more than 7 in floats."""
  assert count_to_prune(100, 0.07) == 7
  assert 0.07 * 100 > 7
  for left in (*range(1, 120), 1000, 270_896, 25_502_912):
    for hundredths in range(1, 100):
      exact = math.ceil(Fraction(hundredths, 100) * left)
      assert count_to_prune(left, hundredths / 100) == exact, (left, hundredths)


def test_pruning_seven_of_a_hundred():
  params, masks = make(np.arange(1.0, 99), head=[1000.0, 2000])
  new = prune_magnitude(params, masks, 0.07)
  assert counts(new) == (93, 100)
  assert not new['stage1']['kernel'][:7].any()


def test_the_published_count_prunes_no_such_leaf():
  params, masks = make([1.0, 2.0, 3.0, 4.0], head=[0.5, 1.0])
  new = prune_magnitude(
    params, masks, 0.2, lambda name: name == 'head/kernel', True
  )
  np.testing.assert_array_equal(new['stage1']['kernel'], [0, 0, 0, 1])
  assert new['head']['kernel'].all()


def test_the_largest_integer_is_kept():
  """int8 has no 128, so the absolute value of -128 needs another dtype."""
  params = {'w': np.array([-128, 1, 2, 3], np.int8)}
  kept = prune_magnitude(params, {'w': np.ones(4, bool)}, 0.5)['w']
  assert kept.tolist() == [True, False, False, True]


def test_leaves_of_one_name_are_counted_apart():
  tree = {'a/b': np.ones(3), 'a': {'b': np.ones(2)}}
  masks = dense_masks(tree, lambda name: True)
  with pytest.raises(ValueError, match='5 are left, of which 5 are never'):
    keep_largest(tree, masks, 2, lambda name: name == 'a/b')
  with pytest.raises(ValueError, match='two leaves are called'):
    layer_densities(masks)


def test_what_is_not_there_has_no_mask():
  assert dense_masks({'w': None}, lambda name: True) == {'w': None}
  with pytest.raises(ValueError, match=r'w: mask of shape .* for None'):
    apply_masks({'w': None}, {'w': np.ones(2, bool)})


def test_a_group_keeps_no_more_than_it_has():
  one, masks = {'w': np.ones(2)}, {'w': np.ones(2, bool)}
  for keep in (-1, 3):
    with pytest.raises(ValueError, match=f'cannot keep {keep} of 2'):
      keep_largest_by_group(one, masks, {'w': 'g'}, {'g': keep})
