import numpy as np
import pytest

from elth_jax.elastic.width import narrow_tree, widen_tree


def test_a_weight_between_split_channels_becomes_four_halves():
  narrow = {'kernel': np.array([[2.0, 6.0]]), 'bias': np.array([1.0, 3.0])}
  wide = {'kernel': np.zeros((2, 4)), 'bias': np.zeros(4)}
  found = widen_tree(narrow, wide)
  np.testing.assert_array_equal(found['kernel'], [[1, 1, 3, 3]] * 2)
  np.testing.assert_array_equal(found['bias'], [1, 1, 3, 3])
  copied = widen_tree(narrow, wide, halve=False)
  np.testing.assert_array_equal(copied['kernel'], [[2, 2, 6, 6]] * 2)
  back = narrow_tree(found, narrow)
  np.testing.assert_array_equal(back['kernel'], narrow['kernel'])


def test_inputs_and_depthwise_kernels_are_not_halved():
  tree = {'stem': np.ones((3, 3, 3, 2)), 'depthwise': np.ones((3, 3, 1, 2))}
  wide = {'stem': np.ones((3, 3, 3, 4)), 'depthwise': np.ones((3, 3, 1, 4))}
  for leaf in widen_tree(tree, wide).values():
    assert (leaf == 1).all()


def test_masks_are_doubled_and_never_divided():
  masks = {'a': np.array([[True, False]]), 'b': None}
  found = widen_tree(masks, {'a': np.zeros((2, 4)), 'b': np.zeros(3)})
  np.testing.assert_array_equal(found['a'], [[1, 1, 0, 0]] * 2)
  assert found['a'].dtype == bool and found['b'] is None


@pytest.mark.parametrize('wanted', [np.zeros((2, 5)), np.zeros(4)])
def test_other_shapes_are_named(wanted):
  with pytest.raises(
    ValueError, match=r'layer/w: shape \(1, 2\) cannot become'
  ):
    widen_tree({'layer': {'w': np.zeros((1, 2))}}, {'layer': {'w': wanted}})
