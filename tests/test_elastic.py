import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elth_jax import Layout, Plan, squeeze_tree, stretch_tree

depths = st.lists(st.integers(2, 6), min_size=1, max_size=4)
orders = st.sampled_from(['append', 'interpolate'])


def make_tree(depths, leaf=lambda stage, block: np.array([stage, block])):
  stages = {
    f'stage{s}': {
      f'block{b}': {'conv1': {'kernel': leaf(s, b)}, 'bn1': {'scale': None}}
      for b in range(depth)
    }
    for s, depth in enumerate(depths, start=1)
  }
  return {'stem': {'kernel': np.ones(3)}, **stages, 'head': np.zeros(2)}


def blocks_of(tree, stage):
  return [int(b['conv1']['kernel'][1]) for b in tree[stage].values()]


@given(depths, st.integers(0, 9), orders)
def test_every_target_block_is_filled_once(depths, more, order):
  target = [depth + more for depth in depths]
  deep = stretch_tree(make_tree(depths), target, order=order)
  for s, (have, want) in enumerate(zip(depths, target, strict=True), start=1):
    stage = deep[f'stage{s}']
    assert list(stage) == [f'block{b}' for b in range(want)]
    copied = blocks_of(deep, f'stage{s}')
    assert copied[0] == 0 and 0 not in copied[1:]
    uses = [copied[1:].count(unit) for unit in range(1, have)]
    assert max(uses) - min(uses) <= 1 and uses == sorted(uses, reverse=True)
    stages = {int(b['conv1']['kernel'][0]) for b in stage.values()}
    assert stages == {s}


@given(depths, st.integers(0, 9), orders)
def test_everything_outside_stages_is_passed_through(depths, more, order):
  tree = make_tree(depths)
  deep = stretch_tree(tree, [d + more for d in depths], order=order)
  assert deep['stem']['kernel'] is tree['stem']['kernel']
  assert deep['head'] is tree['head']
  sources = {id(leaf) for leaf in jax.tree.leaves(tree)}
  assert all(id(leaf) in sources for leaf in jax.tree.leaves(deep))


@given(depths, st.integers(1, 3))
def test_squeezing_undoes_whole_groups_of_append(depths, times):
  tree = make_tree(depths)
  deep = stretch_tree(tree, [1 + (d - 1) * times for d in depths])
  back = squeeze_tree(deep, depths)
  assert jax.tree.structure(back) == jax.tree.structure(tree)
  assert all(map(np.array_equal, jax.tree.leaves(back), jax.tree.leaves(tree)))


@given(depths, st.integers(0, 5), orders)
def test_a_plan_commutes_with_maps_over_leaves(depths, more, order):
  tree = make_tree(depths)
  plan = Plan.stretch(
    {f'stage{s}': d for s, d in enumerate(depths, 1)},
    [d + more for d in depths],
    order,
  )
  mask = lambda t: jax.tree.map(lambda leaf: leaf > 1, t)  # noqa: E731
  one, other = plan.apply(mask(tree)), mask(plan.apply(tree))
  assert jax.tree.structure(one) == jax.tree.structure(other)
  assert all(map(np.array_equal, jax.tree.leaves(one), jax.tree.leaves(other)))
  assert Plan.parse(str(plan), stages=len(depths)) == plan


def test_published_tables():
  imagenet = '0:0;1:1|0:0;1:1,2|0:0;1:1,2,3|0:0;1:1,2'
  plan = Plan.parse(imagenet)
  assert plan.depths == {
    'stage1': 2,
    'stage2': 3,
    'stage3': 4,
    'stage4': 3,
  }
  assert str(plan) == imagenet
  assert plan == Plan.stretch(
    {f'stage{s}': 2 for s in range(1, 5)}, (2, 3, 4, 3)
  )
  mlp = Plan.parse('0:0;1:1,2;2:3', stages=1)
  assert mlp.tables['stage1'] == (0, 1, 1, 2)


def test_depths_by_number_sequence_or_name():
  tree = make_tree([3, 3])
  by_name = stretch_tree(tree, {'stage1': 4, 'stage2': 6})
  assert blocks_of(by_name, 'stage1') == [0, 1, 1, 2]
  by_sequence = stretch_tree(tree, np.array([4, 6]))
  assert jax.tree.structure(by_name) == jax.tree.structure(by_sequence)
  once = stretch_tree(tree, 5, units=(unit for unit in (2,)))  # read once
  assert blocks_of(once, 'stage1') == blocks_of(once, 'stage2')
  units = stretch_tree(tree, 5, units={'stage1': (1,), 'stage2': (2,)})
  assert blocks_of(units, 'stage1') == [0, 1, 1, 1, 2]
  assert blocks_of(units, 'stage2') == [0, 1, 2, 2, 2]


def test_collections_and_masks_together():
  tree = make_tree([3])
  both = {'params': tree, 'batch_stats': {'stage1': tree['stage1']}}
  deep = stretch_tree(both, 5)
  assert list(deep['params']['stage1']) == list(deep['batch_stats']['stage1'])


def test_works_under_jit_and_keeps_numpy():
  tree = make_tree([3], lambda s, b: np.full((2, 2), b, np.float32))
  deep = stretch_tree(tree, 5)
  assert all(type(leaf) is np.ndarray for leaf in jax.tree.leaves(deep))
  jitted = jax.jit(lambda t: squeeze_tree(t, 2))(deep)
  expected = jax.tree.leaves(squeeze_tree(deep, 2))
  for one, other in zip(jax.tree.leaves(jitted), expected, strict=True):
    np.testing.assert_array_equal(one, other)
  shapes = jax.eval_shape(lambda: jnp.zeros((2, 2)))
  abstract = stretch_tree({'stage1': {'block0': shapes, 'block1': shapes}}, 4)
  assert abstract['stage1']['block3'] is shapes


@pytest.mark.parametrize(
  ('call', 'message'),
  [
    (lambda t: stretch_tree(t, 5, order='upend'), "order is 'upend'"),
    (lambda t: stretch_tree(t, (5,)), '1 values for 2 stages'),
    (lambda t: stretch_tree(t, {'stage1': 5}), r"\['stage2'\] are not in both"),
    (lambda t: stretch_tree(t, 4.5), 'not whole numbers'),
    (lambda t: stretch_tree(t, 2), 'stage1: cannot stretch 3 units to 2'),
    (lambda t: squeeze_tree(t, 4), 'stage1: cannot squeeze 3 units to 4'),
    (lambda t: squeeze_tree(t, 2, keep=(1,), drop=(2,)), 'not both'),
    (lambda t: squeeze_tree(t, 3, keep=(1,)), 'leaves 2 units, not 3'),
    (lambda t: Plan.parse('0:0', stages=3).apply(t), r"\['stage3'\]"),
    (
      lambda t: Plan.parse('0:0;1:1;4:2', stages=2).apply(t),
      'stage1: target unit 2 copies source unit 4, but the tree has units 0 to',
    ),
    (lambda t: Plan.parse('0:0|0:0', stages=3), '2 tables for 3 stages'),
    (lambda t: Plan({'stage1': ()}), 'stage1: table'),
    (lambda t: Plan({'stage1': (0, -1)}), 'stage1: table'),
    (lambda t: stretch_tree(t, '55'), r"depths: \['55', '55'\] are not whole"),
    (lambda t: Plan.parse('0:0', stages=0), 'is for no stage'),
    (lambda t: Layout(period=1.5), r'layout: \[1\.5, 0, 1\] are not whole'),
    (lambda t: Layout(fixed={'stage1': '1'}), 'are not whole numbers'),
    (lambda t: stretch_tree(t, 5, layout=r'b(\d)'), 'layout is .* a Layout'),
    (lambda t: squeeze_tree(t, 2, layout=None), 'layout is None; give a Lay'),
    (lambda t: Plan('0:0'), "tables is '0:0'; give stage -> .* Plan.parse"),
    (lambda t: Plan.parse(5), 'text is 5; give tables as in'),
    (lambda t: Plan.parse('0:0', 'stage1'), 'a list of names'),
  ],
)
def test_errors_name_what_is_wrong(call, message):
  with pytest.raises((ValueError, TypeError), match=message):
    call(make_tree([3, 3]))


def test_a_plan_is_an_immutable_hashable_value():
  plan = Plan.parse('0:0;1:1,2', stages=2)
  assert hash(plan) == hash(Plan.parse('0:0;1:1,2', stages=2))
  with pytest.raises(TypeError):
    plan.tables['stage1'] = (0,)


def test_the_pure_core_imports_no_framework():
  heavy = {'flax', 'optax', 'orbax', 'tensorflow_datasets', 'matplotlib'}
  code = (
    'import sys; from elth_jax import Plan, stretch_tree, squeeze_tree, Layout;'
    f'print(sorted({heavy} & set(sys.modules)))'
  )
  done = subprocess.run(
    [sys.executable, '-c', code], capture_output=True, text=True, check=True
  )
  assert done.stdout.strip() == '[]'
