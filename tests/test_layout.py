import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.core import FrozenDict

from elth_jax import (
  Layout,
  Plan,
  squeeze_tree,
  stretch_tree,
)


def test_other_names_by_regular_expression():
  layout = Layout(units=r'encoder/layer_(\d+)')
  tree = {
    'model': {
      'encoder': {f'layer_{i}': {'w': np.full(2, i)} for i in range(3)},
      'pooler': np.zeros(1),
    }
  }
  assert layout.depths(tree) == {'encoder': 3}
  deep = stretch_tree(tree, 5, order='interpolate', layout=layout)
  values = [int(u['w'][0]) for u in deep['model']['encoder'].values()]
  assert values == [0, 1, 1, 2, 2]
  assert list(deep['model']['encoder'])[-1] == 'layer_4'
  assert deep['model']['pooler'] is tree['model']['pooler']


def test_zero_padded_numbers_stay_padded():
  tree = {'stage1': {f'block{i:02}': np.full(1, i) for i in range(3)}}
  assert list(stretch_tree(tree, 4)['stage1'])[-1] == 'block03'


@pytest.mark.parametrize('xp', [np, jnp])
def test_a_stacked_stage_is_an_indexing(xp):
  layout = Layout(stacked=r'decoder/layers')
  leaf = xp.arange(6.0).reshape(3, 2)
  tree = {'decoder': {'layers': {'w': leaf, 'b': None}}, 'head': leaf}
  deep = stretch_tree(tree, 5, layout=layout)
  assert type(deep['decoder']['layers']['w']) is type(leaf)
  expected = np.asarray(leaf)[[0, 1, 2, 1, 2]]
  np.testing.assert_array_equal(deep['decoder']['layers']['w'], expected)
  assert deep['decoder']['layers']['b'] is None
  assert deep['head'] is leaf


def test_stacked_leaves_without_a_common_axis():
  layout = Layout(stacked='layers')
  tree = {'layers': {'w': np.zeros((3, 2)), 'b': np.zeros(2)}}
  with pytest.raises(ValueError, match='no common leading unit axis'):
    layout.depths(tree)


def test_mapping_types_are_kept_and_flatten_order_agrees():
  tree = FrozenDict(
    {'stage1': {f'block{i}': {'w': np.full(1, i)} for i in (0, 1)}}
  )
  deep = stretch_tree(tree, 12)
  assert isinstance(deep, FrozenDict)
  again = squeeze_tree(deep, 2)
  assert jax.tree.structure(again) == jax.tree.structure(tree)


@pytest.mark.parametrize(
  ('tree', 'message'),
  [
    ({'stem': np.zeros(1)}, 'no stage found'),
    ({'stage1': {'block0': 1, 'block2': 1}}, 'no unit 1'),
    ({'stage1': {'block1': 1}}, 'no unit 0'),
    ({'stage1': {'block1': 1, 'block01': 1}}, 'unit 1 twice'),
    (
      {
        'params': {'stage1': {'block0': 1, 'block1': 1}},
        'batch_stats': {'stage1': {'block0': 1}},
      },
      "2 units in 'params/stage1' but 1 in 'batch_stats/stage1'",
    ),
  ],
)
def test_wrong_trees_are_refused(tree, message):
  with pytest.raises(ValueError, match=message):
    stretch_tree(tree, 2)


def unit(shape, **more):
  return {'conv': {'kernel': np.zeros(shape)}, **more}


@pytest.mark.parametrize(
  ('blocks', 'message'),
  [
    ([unit(1), unit(2), unit(3)], r"stage2, unit 2, leaf 'conv/kernel': shape"),
    ([unit(1), unit(2), unit(2, bias=np.zeros(1))], r"unit 1, leaf 'bias' is"),
    ([unit(1), unit(2, bias=np.zeros(1)), unit(2)], r"unit 2, leaf 'bias' is"),
    (
      [unit(1), {'conv': {'kernel': None}}, unit(2), unit(3)],
      "unit 3, leaf 'conv/kernel': shape",
    ),
  ],
)
def test_units_that_differ_are_named(blocks, message):
  tree = {'stage2': {f'block{i}': block for i, block in enumerate(blocks)}}
  with pytest.raises(ValueError, match=message):
    stretch_tree(tree, 5)


def test_unit_0_may_differ_unless_it_is_moved():
  tree = {'stage1': {'block0': unit(1), 'block1': unit(2)}}
  stretch_tree(tree, 3)
  with pytest.raises(ValueError, match=r'unit 1.*differs.*unit 0'):
    Plan.parse('0:0,1;1:2', stages=1).apply(tree)


def test_none_stands_for_a_leaf_of_any_shape():
  tree = {'stage1': {'block0': unit(1), 'block1': unit(2), 'block2': None}}
  tree['stage1']['block2'] = {'conv': {'kernel': None}}
  deep = stretch_tree(tree, 5)
  assert deep['stage1']['block4']['conv']['kernel'] is None


@pytest.mark.parametrize(
  ('units', 'message'),
  [('layer_(', 'layout pattern'), ('layer', 'no group for the number')],
)
def test_wrong_patterns_are_refused(units, message):
  with pytest.raises(ValueError, match=message):
    Layout(units=units)


def test_a_group_that_is_no_number():
  with pytest.raises(ValueError, match="'x' is no unit number"):
    Layout(units='layer_(.)').depths({'layer_x': 1})


def test_a_part_of_a_stacked_leaf_has_a_path_and_a_layer():
  layout = Layout(stacked='layers')
  tree = {'layers': {'a[0]': np.zeros((2, 3))}, 'head': np.ones(1)}
  found = [(leaf.path, leaf.layer, leaf.name) for leaf in layout.leaves(tree)]
  assert found == [
    ('layers/a[0]', 0, 'layers/a[0][0]'),
    ('layers/a[0]', 1, 'layers/a[0][1]'),
    ('head', None, 'head'),
  ]
