"""Twice and half the width of any tree: the function is kept, or refused."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from flax import nnx
from hypothesis import given
from hypothesis import strategies as st

from elth_jax.elastic.width import (
  VARIANTS,
  WIDTH_RULES,
  narrow_tree,
  vary,
  widen_tree,
)
from elth_jax.trees import flatten, unflatten

KEY = jax.random.key(0)


def zeros(**shapes):
  """A tree of shapes; `__` in a name stands for the next part of a path."""
  return unflatten(
    {name.replace('__', '/'): np.zeros(s) for name, s in shapes.items()}
  )


def ones(*shape):
  return np.ones(shape)


def random_params(module, x):
  """Random parameters, since zeros hide what goes wrong."""
  draw = np.random.default_rng(0)
  shapes = jax.eval_shape(module.init, KEY, x)['params']
  return jax.tree.map(
    lambda leaf: draw.normal(0, 0.4, leaf.shape).astype(np.float32), shapes
  )


def widened_difference(small, wide, x, **options):
  """How far the outputs of a module and of its widened form are apart."""
  params = random_params(small, x)
  shapes = jax.eval_shape(wide.init, KEY, x)['params']
  new = widen_tree(params, shapes, **options)
  expected = small.apply({'params': params}, x)
  found = wide.apply({'params': new}, x)
  return float(jnp.abs(found - expected).max() / jnp.abs(expected).max())


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


def test_halving_keeps_the_first_channel_of_a_pair():
  wide = {
    'kernel': np.arange(8.0).reshape(2, 4),
    'bias': np.array([1.0, 2.0, 3.0, 4.0]),
    'mask': np.array([[True, False, False, True]]),
  }
  wanted = zeros(kernel=(1, 2), bias=(2,), mask=(1, 2))
  found = narrow_tree(wide, wanted)
  np.testing.assert_array_equal(found['kernel'], [[0, 4]])
  np.testing.assert_array_equal(found['bias'], [1, 3])
  np.testing.assert_array_equal(found['mask'], [[True, False]])
  plain = narrow_tree(wide, wanted, double=False)
  np.testing.assert_array_equal(plain['kernel'], [[0, 2]])
  merged = narrow_tree(wide, wanted, merge=True)
  np.testing.assert_array_equal(merged['kernel'], [[0 + 4, 2 + 6]])
  np.testing.assert_array_equal(merged['bias'], [1, 3])


def test_merged_masks_keep_what_either_channel_keeps():
  wide = {'a': np.array([[True], [False], [False], [False]])}
  found = narrow_tree(wide, zeros(a=(2, 1)), merge=True)
  np.testing.assert_array_equal(found['a'], [[True], [False]])


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


@pytest.mark.parametrize('wanted', [np.zeros((2, 5)), np.zeros(4), None])
def test_other_shapes_are_named(wanted):
  with pytest.raises(
    ValueError, match=r'layer/w: shape \(1, 2\) cannot become'
  ):
    widen_tree({'layer': {'w': np.zeros((1, 2))}}, {'layer': {'w': wanted}})


class Attending(nn.Module):
  """Attention between two dense layers, or attention on the raw input."""

  width: int
  heads: int
  up: bool = True

  @nn.compact
  def __call__(self, x):
    if self.up:
      x = nn.Dense(self.width, name='up')(x)
    x = nn.MultiHeadDotProductAttention(
      self.heads, qkv_features=self.width, name='attention', out_features=4
    )(x)
    return nn.Dense(3, name='head')(x)


@pytest.mark.parametrize('up', [True, False])
@pytest.mark.parametrize('heads', [2, 4])  # or each head twice as wide
def test_attention_is_refused(up, heads):
  x = jax.random.normal(KEY, (2, 6, 3))
  with pytest.raises(ValueError, match=r'attention/\w+/kernel of shape'):
    widened_difference(Attending(8, 2, up), Attending(16, heads, up), x)


def test_attention_of_nnx_and_by_hand_is_refused():
  def state(width, heads):
    layer = nnx.MultiHeadAttention(heads, width, decode=False, rngs=nnx.Rngs(0))
    return nnx.to_pure_dict(nnx.state(layer, nnx.Param))

  with pytest.raises(ValueError, match='belongs to an attention layer'):
    widen_tree(state(8, 2), state(16, 4))
  with pytest.raises(ValueError, match='belongs to an attention layer'):
    narrow_tree(state(16, 4), state(8, 2))
  names = ('q_proj', 'k_proj', 'v_proj')
  small = {'block': {name: {'kernel': np.ones((4, 4))} for name in names}}
  wide = {'block': {name: {'kernel': np.ones((8, 8))} for name in names}}
  with pytest.raises(ValueError, match='block/q_proj/kernel of shape'):
    widen_tree(small, wide)


class Grouped(nn.Module):
  width: int
  groups: int

  @nn.compact
  def __call__(self, x):
    x = nn.relu(nn.Conv(self.width, (3, 3), name='stem')(x))
    x = nn.Conv(
      self.width, (3, 3), feature_group_count=self.groups, name='grouped'
    )(x)
    return nn.Dense(3, name='head')(nn.relu(x).mean((1, 2)))


@pytest.mark.parametrize('channels', [1, 3])
def test_grouped_convolutions(channels):
  """Twice the groups is refused, the same groups keep the function."""
  x = jax.random.normal(KEY, (2, 5, 5, channels))
  with pytest.raises(ValueError, match='grouped/kernel') as refused:
    widened_difference(Grouped(8, 2), Grouped(16, 4), x)
  assert 'may be grouped convolutions' in str(refused.value)
  with pytest.raises(ValueError, match=r'^grouped/kernel'):
    widened_difference(
      Grouped(8, 2), Grouped(16, 4), x, trusted=lambda n: n == 'stem/kernel'
    )
  assert widened_difference(Grouped(8, 2), Grouped(16, 2), x) < 1e-5
  with pytest.raises(ValueError, match='grouped/kernel'):  # of two channels
    widened_difference(Grouped(8, 4), Grouped(16, 8), x)
  # what refusing prevents
  off = widened_difference(
    Grouped(8, 2), Grouped(16, 4), x, trusted=lambda name: True
  )
  assert off > 1e-2


class TwoStems(nn.Module):
  width: int

  @nn.compact
  def __call__(self, x):
    x = nn.Dense(self.width, name='one')(x) * nn.Dense(
      self.width, name='other'
    )(x)
    return nn.Dense(3, name='head')(x)


def test_the_caller_can_vouch_for_what_reads_the_raw_input():
  x = jax.random.normal(KEY, (4, 5))
  with pytest.raises(ValueError, match='in doubt too: other/kernel'):
    widened_difference(TwoStems(4), TwoStems(8), x)
  off = widened_difference(
    TwoStems(4), TwoStems(8), x, trusted=lambda name: name != 'head/kernel'
  )
  assert off < 1e-5


class Words(nn.Module):
  """Token embeddings, tied to the output layer or not."""

  width: int
  tied: bool

  @nn.compact
  def __call__(self, x):
    embed = nn.Embed(7, self.width, name='embed')
    y = nn.relu(nn.Dense(self.width, name='dense')(embed(x)))
    return embed.attend(y) if self.tied else nn.Dense(7, name='head')(y)


def test_embeddings_are_known_to_be_untied_by_a_head():
  x = np.arange(7)[None]
  assert widened_difference(Words(4, False), Words(8, False), x) < 1e-5
  with pytest.raises(ValueError, match=r'embed/embedding .* the output layer'):
    widened_difference(Words(4, True), Words(8, True), x)
  off = widened_difference(
    Words(4, True), Words(8, True), x, trusted=lambda name: True
  )
  assert off > 0.5


def test_a_kernel_of_as_many_outputs_inside_the_network_is_no_head():
  """A mere coincidence: its own input is not split."""
  narrow = {
    'embed': {'embedding': ones(4, 2)},
    'fixed': {'kernel': ones(3, 4)},
    'dense': {'kernel': ones(2, 2)},
  }
  wide = zeros(embed__embedding=(4, 4), fixed__kernel=(3, 4))
  with pytest.raises(ValueError, match=r'^embed/embedding of shape'):
    widen_tree(narrow, {**wide, **zeros(dense__kernel=(4, 4))})


class Chains(nn.Module):
  """1D convolutions, whose kernels have as many axes as attention's."""

  width: int
  bias: bool

  @nn.compact
  def __call__(self, x):
    x = nn.relu(nn.Conv(self.width, (3,), name='stem')(x))
    x = nn.Conv(self.width, (3,), use_bias=self.bias, name='conv')(x)
    return nn.Dense(3, name='head')(nn.relu(x).mean(1))


def test_a_bias_tells_a_1d_convolution_from_a_dense_layer():
  x = jax.random.normal(KEY, (2, 6, 3))
  assert widened_difference(Chains(4, True), Chains(8, True), x) < 1e-5
  with pytest.raises(ValueError, match=r'conv/kernel of shape .* 1D convol'):
    widened_difference(Chains(4, False), Chains(8, False), x)
  off = widened_difference(
    Chains(4, False), Chains(8, False), x, trusted=lambda n: 'conv' in n
  )
  assert off < 1e-5


@pytest.mark.parametrize('bias', [True, False])
def test_kernels_with_two_output_axes_are_refused(bias):
  class Split(nn.Module):
    heads: int

    @nn.compact
    def __call__(self, x):
      x = nn.DenseGeneral((self.heads, 4), use_bias=bias, name='split')(x)
      return nn.DenseGeneral(3, axis=(-2, -1), name='head')(x)

  with pytest.raises(ValueError, match=r'head/kernel|split/kernel') as refused:
    widened_difference(Split(2), Split(4), jax.random.normal(KEY, (2, 5)))
  assert 'split/kernel' in str(refused.value)


def test_biases_and_statistics_with_several_axes_are_copied():
  """Those of scanned layers, and of dense layers with two output axes."""
  tree = {'bias': np.ones((2, 3)), 'var': np.ones((2, 3))}
  for leaf in widen_tree(tree, zeros(bias=(4, 3), var=(2, 6))).values():
    assert (leaf == 1).all()
  scanned = {'kernel': np.ones((5, 2, 3)), 'bias': np.ones((5, 3))}
  found = widen_tree(scanned, zeros(kernel=(5, 4, 6), bias=(5, 6)))
  assert (found['kernel'] == 0.5).all() and (found['bias'] == 1).all()


def test_axes_in_the_order_of_pytorch_are_refused():
  with pytest.raises(ValueError, match=r'^stem\.weight .* PyTorch weight'):
    widen_tree(
      {'stem.weight': np.ones((2, 3))}, {'stem.weight': np.ones((4, 3))}
    )
  found = widen_tree({'w.weight': np.ones((2, 3))}, {'w.weight': ones(4, 6)})
  assert (found['w.weight'] == 0.5).all()
  with pytest.raises(ValueError, match='not the last two alone'):
    widen_tree({'c': {'w': ones(2, 2, 3, 3)}}, {'c': {'w': ones(4, 4, 3, 3)}})


@pytest.mark.parametrize('dtype', [np.int32, np.uint8])
def test_whole_numbers_are_not_divided(dtype):
  tree, wide = {'dense': np.full((1, 2), 3, dtype)}, zeros(dense=(2, 4))
  for made in (
    lambda: widen_tree(tree, wide),
    lambda: widen_tree(tree, wide, uneven=0),
  ):
    with pytest.raises(ValueError, match=f'^dense: {np.dtype(dtype)} weights'):
      made()
  big = {'dense': np.full((2, 4), 3, dtype)}
  for merge in (True, False):
    with pytest.raises(ValueError, match=r'^dense: '):
      narrow_tree(big, tree, merge=merge)
  copied = widen_tree({'bias': np.array([3], dtype)}, zeros(bias=(2,)))
  assert copied['bias'].dtype == dtype and copied['bias'].tolist() == [3, 3]


@pytest.mark.parametrize(
  'dtype', [np.float16, ml_dtypes.bfloat16, np.float32, np.float64]
)
@pytest.mark.parametrize('uneven', [None, 0])
def test_every_float_is_divided_exactly_and_keeps_its_dtype(dtype, uneven):
  draw = np.random.default_rng(0)
  tree = {'dense': draw.normal(size=(5, 6)).astype(dtype)}
  tree['dense'][0, :3] = 0
  wide = widen_tree(tree, zeros(dense=(10, 12)), uneven=uneven)['dense']
  assert wide.dtype == dtype
  parts = wide.astype(np.float64)
  whole = np.repeat(tree['dense'].astype(np.float64), 2, 1)
  np.testing.assert_array_equal(parts[::2] + parts[1::2], whole)
  assert (parts[::2] == 0).sum() == (whole == 0).sum() == 6
  assert ((parts != 0) == np.repeat(whole != 0, 2, 0)).all()
  back = narrow_tree({'dense': wide}, tree, merge=True)['dense']
  assert back.dtype == dtype
  np.testing.assert_array_equal(back, tree['dense'])


def test_weights_too_small_or_too_large_are_named():
  tiny = {'dense': np.full((1, 1), 6e-8, np.float16)}
  for uneven in (None, 0):
    with pytest.raises(
      ValueError, match=r'^dense: float16 cannot hold the par'
    ):
      widen_tree(tiny, zeros(dense=(2, 2)), uneven=uneven)
  odd = {'dense': np.full((1, 1), 3 * 2**-24, np.float16)}  # half is no float
  with pytest.raises(ValueError, match=r'^dense: float16 .* would change'):
    widen_tree(odd, zeros(dense=(2, 2)))
  large = {'dense': np.full((2, 2), 6e4, np.float16)}
  for merge in (True, False):
    with pytest.raises(ValueError, match=r'^dense: float16 cannot hold twice'):
      narrow_tree(large, zeros(dense=(1, 1)), merge=merge)
  nan = {'dense': np.full((1, 1), np.nan)}
  assert np.isnan(widen_tree(nan, zeros(dense=(2, 2)))['dense']).all()
  with pytest.raises(ValueError, match=r'^dense: not all weights are finite'):
    widen_tree(nan, zeros(dense=(2, 2)), uneven=0)


@given(st.integers(0, 2**32), st.floats(-(2.0**90), 2.0**90, width=32))
def test_uneven_parts_of_any_weight(seed, weight):
  tree = {'dense': np.full((2, 3), weight, np.float32)}
  if 0 < abs(weight) < 1e-37:  # parts of the smallest may be 0
    return
  wide = widen_tree(tree, zeros(dense=(4, 6)), uneven=seed)['dense']
  parts = wide.astype(np.float64)
  assert (parts[::2] + parts[1::2] == weight).all()
  if weight:
    shares = parts / weight
    assert (shares > 0.09).all() and (shares < 0.91).all()
    assert np.abs(shares - 0.5).min() > 0.05


def test_uneven_parts_depend_on_the_seed_and_on_the_leaf():
  tree = {'a': np.ones((4, 4)), 'b': np.ones((4, 4))}
  wide = zeros(a=(8, 8), b=(8, 8))
  one, again, other = (widen_tree(tree, wide, uneven=s) for s in (1, 1, 2))
  np.testing.assert_array_equal(one['a'], again['a'])
  assert not np.array_equal(one['a'], other['a'])
  assert not np.array_equal(one['a'], one['b'])
  # the larger part is that of either channel, differently for either output
  first = one['a'][::2] > 0.5
  assert first.any() and not first.all()
  assert not np.array_equal(one['a'][:, ::2], one['a'][:, 1::2])


def test_settings_that_contradict_each_other():
  tree, wide = {'a': np.ones((1, 1))}, zeros(a=(2, 2))
  with pytest.raises(ValueError, match='halve=False and uneven'):
    widen_tree(tree, wide, False, uneven=0)
  with pytest.raises(ValueError, match='double=False and merge'):
    narrow_tree(wide, tree, False, merge=True)


@pytest.mark.parametrize('scale', [-0.1, np.nan, np.inf])
def test_noise_out_of_range(scale):
  tree, masks = {'a': np.ones(2)}, {'a': np.ones(2, bool)}
  for variant in VARIANTS:
    with pytest.raises(ValueError, match=r'^scale is'):
      vary(tree, masks, variant, 0, scale)


def test_uneven_is_among_the_rules_and_varies_nothing_more():
  assert WIDTH_RULES == (
    'widen replicate',
    'widen gaussian',
    'widen permute',
    'widen uneven',
    'narrow',
  )
  params, masks = {'a': np.ones(2)}, {'a': np.ones(2, bool)}
  assert vary(params, masks, 'uneven') == (params, masks)
  assert flatten(params)['a'] is vary(params, masks, 'uneven')[0]['a']


def test_leaves_of_one_shape_are_permuted_and_blurred_differently():
  draw = np.random.default_rng(0)
  weights = draw.normal(size=(6, 6))
  params, masks = (
    {'a': weights, 'b': weights},
    {'a': weights > 0, 'b': weights > 0},
  )
  for variant in ('permute', 'gaussian'):
    new, kept = vary(params, masks, variant)
    assert not np.array_equal(new['a'], new['b'])
    assert np.array_equal(kept['a'], kept['b']) == (variant == 'gaussian')
