import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elth_jax.analysis import (
  barrier,
  interpolate,
  overlap,
  unit_overlap,
)
from elth_jax.elastic.layout import Layout


def test_interpolation_keeps_ends_zeros_and_dtypes():
  one = {'a': np.array([1.0, 0.0, 3.0], np.float32)}
  other = {'a': np.array([3.0, 0.0, 1.0], np.float32)}
  for share, expected in (
    (0, one['a']),
    (1, other['a']),
    (0.25, [1.5, 0, 2.5]),
  ):
    found = interpolate(one, other, share)['a']
    np.testing.assert_allclose(found, expected)
    assert found.dtype == np.float32


def test_barrier():
  assert barrier([0.9, 0.5, 0.7]) == pytest.approx(0.3)
  assert barrier([0.9, 0.95, 0.9]) == 0
  assert barrier([0.8, 0.8]) == 0
  for at in range(3):
    accuracy = [0.9, 0.9, 0.9]
    accuracy[at] = float('nan')
    assert np.isnan(barrier(accuracy))


def test_overlap_by_hand():
  """Two of four kept each, one in common: 1/3; by chance 1/3 too."""
  one = {'w': np.array([1, 1, 0, 0], bool), 'b': None}
  other = {'w': np.array([1, 0, 1, 0], bool), 'b': None}
  found = overlap(one, other)
  assert found.iou == pytest.approx(1 / 3)
  assert found.chance == pytest.approx(1 / 3)
  assert found.corrected == pytest.approx(0)
  assert overlap(one, one).corrected == pytest.approx(1)


def test_masks_of_equal_layers_overlap_by_chance():
  """Densities that differ by layer explain overlap between random masks."""
  draw = np.random.default_rng(0)

  def masks():
    return {
      'a': draw.random(40_000) < 0.9,
      'b': draw.random(40_000) < 0.05,
    }

  found = overlap(masks(), masks())
  assert found.iou > 0.5  # far above what the overall density would give
  assert abs(found.corrected) < 0.01


@given(st.integers(0, 99))
def test_overlap_is_symmetric_and_bounded(seed):
  draw = np.random.default_rng(seed)
  one, other = ({'w': draw.random(50) < draw.random()} for _ in range(2))
  found, back = overlap(one, other), overlap(other, one)
  assert found == back
  assert 0 <= found.iou <= 1 and found.corrected <= 1


def test_extremes_are_defined():
  full, empty = {'w': np.ones(3, bool)}, {'w': np.zeros(3, bool)}
  assert overlap(full, full).corrected == 0  # dense masks say nothing
  assert overlap(empty, empty).iou == 1
  with pytest.raises(ValueError, match='w: masks of shapes'):
    overlap(full, {'w': np.ones(4, bool)})
  with pytest.raises(ValueError, match='missing w'):
    overlap(full, {})


def test_units_within_one_ticket():
  draw = np.random.default_rng(0)
  mask, odd = draw.random((30, 30)) < 0.3, draw.random((4, 4)) < 0.5
  masks = {
    'stage1': {
      'block0': {'k': odd},
      'block1': {'k': mask, 'b': None},
      'block2': {'k': mask.copy(), 'b': None},
      'block3': {'k': draw.random((30, 30)) < 0.3, 'b': None},
    }
  }
  matrix = unit_overlap(masks)['stage1']
  assert matrix[1, 2] == pytest.approx(1) and abs(matrix[1, 3]) < 0.1
  assert np.isnan(matrix[0, 1])
  flat = {f's.{n}.k': masks['stage1'][f'block{n}']['k'] for n in range(4)}
  again = unit_overlap(flat, Layout(units=r's\.(\d+)', fixed=0))['s']
  np.testing.assert_array_equal(again, matrix)


def test_units_are_compared_in_the_order_of_names():
  """Sums of floats depend on their order, and that of a set on the process."""
  draw = np.random.default_rng(0)
  names = draw.permutation([f'layer{n}' for n in range(12)])
  units = {
    f'block{i}': {
      name: draw.random((7, 9 + n)) < draw.uniform(0.05, 0.4)
      for n, name in enumerate(names)
    }
    for i in range(6)
  }
  ordered = [dict(sorted(unit.items())) for unit in units.values()]
  wanted = [[overlap(a, b).corrected for b in ordered] for a in ordered]
  found = unit_overlap({'stage1': units})['stage1']
  np.testing.assert_array_equal(found, wanted)


def test_masks_to_compare_are_bool():
  one = {'w': np.array([True, False])}
  for pair in ((one, {'w': np.array([1, 2])}), ({'w': np.array([1, 0])}, one)):
    with pytest.raises(ValueError, match='mask w is int64, not bool'):
      overlap(*pair)


def test_leaves_that_are_none_lie_between_two_of_them():
  one, other = ({'a': None, 'b': np.full(2, x)} for x in (1.0, 0.0))
  found = interpolate(one, other, 0.25)
  assert found['a'] is None
  np.testing.assert_array_equal(found['b'], [0.75, 0.75])
  for pair in (
    (one, {**other, 'a': one['b']}),
    ({**one, 'a': one['b']}, other),
  ):
    with pytest.raises(ValueError, match='a: None in one network'):
      interpolate(*pair, 0.5)


def test_counters_are_rounded_and_shapes_must_agree():
  one = {'count': np.int32(3), 'on': np.array([True])}
  found = interpolate(one, one, 0.05)
  assert found['count'] == 3 and found['count'].dtype == np.int32
  assert found['on'].all() and found['on'].dtype == bool
  with pytest.raises(ValueError, match=r'a: shapes \(2,\) and \(2, 1\) differ'):
    interpolate({'a': np.ones(2)}, {'a': np.ones((2, 1))}, 0.5)
