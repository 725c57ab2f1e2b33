"""Nodes, keys, their order, shapes and dtypes come back as they went in."""

import collections

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx, struct
from flax.core import FrozenDict
from hypothesis import given, settings
from hypothesis import strategies as st

from elth_jax import (
  Layout,
  Plan,
  Ticket,
  stretch_tree,
)
from elth_jax.masks import (
  apply_masks,
  counts,
  dense_masks,
  permute_globally,
  prune_magnitude,
)
from elth_jax.trees import (
  flatten,
  map_named,
  named_leaves,
  node_of,
)

DTYPES = (np.float32, np.float64, np.float16, jnp.bfloat16, np.int8)
KINDS = (
  dict,
  FrozenDict,
  collections.OrderedDict,
  lambda node: nnx.State(node),
  lambda node: list(node.values()),
  lambda node: tuple(node.values()),
)


@struct.dataclass
class Average:
  params: object
  decay: float = struct.field(pytree_node=False, default=0.9)


def leaves(dtypes=DTYPES):
  return st.builds(
    lambda dtype, shape: (
      np.arange(1, 1 + np.prod(shape)).reshape(shape).astype(dtype)
    ),
    st.sampled_from(dtypes),
    st.sampled_from([(), (1,), (3,), (2, 3)]),
  )


keys = st.sampled_from(['b', 'a', 'x/y', '~', 'x', 'y', 0, 11, 2, 'block10'])


def mappings(children, kinds=(dict,)):
  return st.builds(
    lambda node, kind: kind(node),
    st.dictionaries(keys, children, max_size=4),
    st.sampled_from(kinds),
  )


def trees(kinds=KINDS):
  node = st.recursive(
    leaves(), lambda inner: mappings(inner, kinds), max_leaves=8
  )
  return mappings(node)


def same_nodes(one, other):
  """Whether two trees differ in their leaves alone."""
  a, b = node_of(one), node_of(other)
  if a is None or b is None:
    return a is b
  return (
    type(one) is type(other)
    and list(map(repr, a.keys)) == list(map(repr, b.keys))
    and all(map(same_nodes, a.children, b.children))
  )


@given(trees())
def test_masks_keep_every_node_key_and_order(tree):
  masks = dense_masks(tree, lambda name: True)
  assert same_nodes(masks, tree)
  pruned = apply_masks(tree, masks)
  assert same_nodes(pruned, tree)
  for (name, old), (again, new) in zip(
    named_leaves(tree), named_leaves(pruned), strict=True
  ):
    assert name == again
    assert np.shape(old) == np.shape(new)
    assert old.dtype == new.dtype
  if counts(masks)[0] > 1:
    fewer = prune_magnitude(tree, masks, 0.5)
    assert same_nodes(fewer, tree)
    assert same_nodes(permute_globally(fewer, np.random.default_rng(0)), tree)


@settings(max_examples=150)
@given(trees((dict,)))
def test_ticket_files_keep_keys_order_shapes_and_dtypes(tmp_path_factory, tree):
  path = tmp_path_factory.mktemp('ticket') / 'a.safetensors'
  masks = map_named(
    lambda name, leaf: np.ones(leaf.shape, bool) if leaf.ndim else None, tree
  )
  try:
    Ticket({'name': 'x'}, tree, {}, masks).save(path)
  except ValueError as error:  # 0 and '0' in one node have one name
    assert 'read' in str(error) or 'called' in str(error)
    return
  ticket = Ticket.load(path)
  for found, given_ in ((ticket.params, tree), (ticket.masks, masks)):
    assert same_nodes(found, given_)
    for (_, one), (_, other) in zip(
      named_leaves(found), named_leaves(given_), strict=True
    ):
      assert (one is None) == (other is None)
      if one is not None:
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        np.testing.assert_array_equal(one, other)


def units(count, wrap=lambda leaf: leaf):
  return {f'block{i}': {'w': wrap(np.full(2, i))} for i in range(count)}


WRAPPED = {
  'frozen': lambda stages: FrozenDict(stages),
  'ordered': lambda stages: collections.OrderedDict(stages),
  'state': lambda stages: nnx.State(stages),
  'dataclass': lambda stages: Average(stages),
  'tuple': lambda stages: (stages, stages),
  'list': lambda stages: [np.zeros(3), stages],
}


@pytest.mark.parametrize('kind', WRAPPED)
def test_plans_rewrite_stages_inside_any_node(kind):
  tree = {
    'params': {'stage1': units(3)},
    'kept': WRAPPED[kind]({'stage1': units(3)}),
  }
  wanted = {
    'params': {'stage1': units(5)},
    'kept': WRAPPED[kind]({'stage1': units(5)}),
  }
  deep = stretch_tree(tree, 5)
  assert same_nodes(deep, wanted)
  back = Plan.squeeze({'stage1': 5}, 3).apply(deep)
  assert same_nodes(back, tree)
  for (_, one), (_, other) in zip(
    named_leaves(back), named_leaves(tree), strict=True
  ):
    np.testing.assert_array_equal(one, other)


def wrapped(stages):
  """Some node of any kind around stages, several deep."""
  kinds = st.sampled_from(sorted(WRAPPED))
  inside = st.lists(kinds, min_size=1, max_size=3)

  def wrap(names):
    node = stages
    for name in names:
      node = WRAPPED[name]({'inner': node, 'w': np.arange(3)})
    return node

  return inside.map(lambda names: (names, wrap(names)))


@given(wrapped({'stage1': units(3)}), st.integers(3, 7))
def test_plans_keep_every_node_around_stages(chosen, depth):
  names, tree = chosen
  wanted = {'stage1': units(depth)}
  for name in names:
    wanted = WRAPPED[name]({'inner': wanted, 'w': np.arange(3)})
  plan = Plan.stretch({'stage1': 3}, depth)
  deep = plan.apply(tree)
  assert same_nodes(deep, wanted)
  again = Plan.squeeze({'stage1': depth}, 3).apply(deep)
  assert same_nodes(again, tree)
  assert [leaf.shape for _, leaf in named_leaves(again)] == [
    leaf.shape for _, leaf in named_leaves(tree)
  ]


def test_numbers_padded_with_zeros_stay_padded():
  tree = {'stage1': {f'block{i:02}': {'w': np.full(1, i)} for i in range(12)}}
  deep = stretch_tree(tree, 14)
  assert list(deep['stage1'])[:3] == ['block00', 'block01', 'block02']
  assert list(deep['stage1'])[-1] == 'block13'
  assert (
    list(stretch_tree({'stage1': units(11)}, 12)['stage1'])[-1] == 'block11'
  )


def test_boxes_are_looked_into():
  def box(n):
    return nn.Partitioned(np.ones(n), names=(None,))

  tree = {
    'stage1': {f'block{i}': {'w': box(n)} for i, n in enumerate((3, 3, 4))}
  }
  with pytest.raises(ValueError, match=r"leaf 'w'.*\(4,\) differs from \(3,\)"):
    stretch_tree(tree, 4)
  masks = dense_masks(tree, lambda name: name.endswith('w'))
  assert same_nodes(masks, tree)
  assert counts(masks) == (10, 10)
  with pytest.raises(ValueError, match='stage1/block0/w is a Partitioned'):
    Ticket({}, tree, {}, masks)


def test_params_of_nnx_go_back_into_the_model():
  class Net(nnx.Module):
    def __init__(self, rngs):
      as_list = getattr(nnx, 'List', list)  # flax 0.11 takes plain lists
      self.layers = as_list(nnx.Linear(4, 4, rngs=rngs) for _ in range(3))

  net = Net(nnx.Rngs(0))
  params = nnx.state(net, nnx.Param)
  masks = dense_masks(params, lambda name: name.endswith('kernel'))
  half = prune_magnitude(params, masks, 0.5)
  nnx.update(net, apply_masks(params, half))
  kernels = [np.asarray(layer.kernel[...]) for layer in net.layers]
  assert sum(int((kernel == 0).sum()) for kernel in kernels) == 24
  plain = prune_magnitude(nnx.to_pure_dict(params), half, 0.5)
  assert counts(plain) == (12, 48)  # a mask tree of another kind of node


def test_shapes_alone_are_stretched():
  shapes = {'layers': {'w': jax.ShapeDtypeStruct((3, 8, 4), jnp.bfloat16)}}
  layout = Layout(stacked='layers', axis=1, fixed=0)
  found = stretch_tree(shapes, 12, layout=layout)['layers']['w']
  assert (found.shape, found.dtype) == ((3, 12, 4), jnp.bfloat16)
  parts = list(layout.leaves(shapes))
  assert [leaf.value.shape for leaf in parts] == [(3, 4)] * 8


def test_slashes_in_keys_are_no_path():
  tree = {'a/b': np.ones(2), 'a': {'b': np.ones(3)}}
  masks = dense_masks(tree, lambda name: True)
  assert same_nodes(apply_masks(tree, masks), tree)
  assert counts(prune_magnitude(tree, masks, 0.4)) == (3, 5)
  with pytest.raises(ValueError, match="two leaves are called 'a/b'"):
    flatten(tree)
  with pytest.raises(ValueError, match='leaves differ'):
    apply_masks(tree, {'a': {'b': np.ones(3, bool)}, 'a/': {'b': None}})


def test_layouts_and_plans_are_values():
  one = Layout(fixed={'stage1': 0, 'stage2': 1})
  same = Layout(fixed={'stage2': 1, 'stage1': 0})
  assert one == same
  assert hash(one) == hash(same)
  assert hash(Plan({'a': (0,), 'b': (0, 1)})) == hash(
    Plan({'b': (0, 1), 'a': (0,)})
  )


def test_a_dataclass_with_a_tree_in_it_is_no_box():
  @struct.dataclass
  class Holder:
    value: object

  deep = stretch_tree((Holder({'stage1': units(3)}),), 5)
  assert same_nodes(deep, (Holder({'stage1': units(5)}),))


def test_layers_in_a_list_are_refused():
  tree = {'layers': [np.full(1, i) for i in range(3)]}
  with pytest.raises(ValueError, match="'layers': its layers are in a list"):
    stretch_tree(tree, 5, layout=Layout(units=r'layers/(\d+)', fixed=0))
