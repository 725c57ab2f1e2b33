"""Layouts for models that are not ours, built from Flax's own modules."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy
from flax import nnx

from elth_jax import (
  Layout,
  Plan,
  explain,
  families,
  squeeze_tree,
  stretch_tree,
)
from elth_jax.elastic.replicas import scale_leaves
from elth_jax.elastic.sparsity import predict
from elth_jax.masks import counts, dense_masks
from elth_jax.methods.lottery import dense_ticket
from elth_jax.trees import check_like, flatten, map_named, unflatten

KEY = jax.random.key(0)


def init(model, x):
  """Random variables; compiling `model.init` would take seconds."""
  draw = np.random.default_rng(0)
  return jax.tree.map(
    lambda leaf: draw.normal(0, 0.3, leaf.shape).astype(np.float32),
    jax.eval_shape(model.init, KEY, x),
  )


class EncoderBlock(nn.Module):
  """A pre-norm transformer block, of Flax's attention and dense layers."""

  @nn.compact
  def __call__(self, x):
    y = nn.LayerNorm(name='norm1')(x)
    x = x + nn.MultiHeadDotProductAttention(2, name='attention')(y)
    y = nn.Dense(16, name='up')(nn.LayerNorm(name='norm2')(x))
    return x + nn.Dense(8, name='down')(nn.gelu(y))


class ViT(nn.Module):
  depth: int

  @nn.compact
  def __call__(self, images):
    x = nn.Conv(8, (4, 4), (4, 4), name='embedding')(images)
    x = x.reshape(x.shape[0], -1, 8)
    for number in range(self.depth):
      x = EncoderBlock(name=f'encoderblock_{number}')(x)
    return nn.Dense(3, name='head')(x.mean(1))


VIT = Layout(units=r'(?P<stage>encoder)block_(\d+)', fixed=0)
ENDS = (
  'attention/out/kernel',
  'attention/out/bias',
  'down/kernel',
  'down/bias',
)


def test_a_vit_encoder_becomes_deeper_and_computes_the_same():
  images = jax.random.normal(KEY, (2, 8, 8, 3))
  variables = init(ViT(3), images)
  plan = Plan.stretch(VIT.depths(variables), 5, 'interpolate', fixed=0)
  assert plan.tables == {'encoder': (0, 0, 1, 1, 2)}
  deep = plan.apply(variables, VIT)
  check_like(jax.eval_shape(ViT(5).init, KEY, images), deep, 'ViT of 5')
  same = scale_leaves(deep, plan, ENDS, 0.0, VIT)
  np.testing.assert_allclose(
    jax.jit(ViT(5).apply)(same, images),
    jax.jit(ViT(3).apply)(variables, images),
    rtol=1e-4,
  )
  with pytest.raises(ValueError, match='ViT of 4: leaves differ; missing'):
    check_like(jax.eval_shape(ViT(4).init, KEY, images), deep, 'ViT of 4')


class DecoderLayer(nn.Module):
  @nn.compact
  def __call__(self, x, _):
    mask = nn.make_causal_mask(x[..., 0])
    y = nn.LayerNorm(name='norm')(x)
    x = x + nn.MultiHeadDotProductAttention(2, name='attention')(y, mask=mask)
    return x + nn.Dense(8, name='mlp')(x), None


class Decoder(nn.Module):
  depth: int
  axis: int = 0

  @nn.compact
  def __call__(self, x):
    layers = nn.scan(
      DecoderLayer,
      variable_axes={'params': self.axis},
      split_rngs={'params': True},
      length=self.depth,
    )(name='layers')
    x, _ = layers(x, None)
    return nn.Dense(5, name='head')(x)


@pytest.mark.parametrize('axis', [0, 1])
def test_a_scanned_decoder(axis):
  layout = Layout(stacked='layers', axis=axis, fixed=0)
  x = jax.random.normal(KEY, (1, 4, 8))
  variables = init(Decoder(3, axis), x)
  deep = stretch_tree(variables, 6, layout=layout)
  check_like(jax.eval_shape(Decoder(6, axis).init, KEY, x), deep)
  kernel = variables['params']['layers']['mlp']['kernel']
  new = deep['params']['layers']['mlp']['kernel']
  order = np.array([0, 1, 2, 0, 1, 2])
  np.testing.assert_array_equal(new, jnp.take(kernel, order, axis))
  assert np.isfinite(Decoder(6, axis).apply(deep, x)).all()
  masks = dense_masks(variables['params'], lambda n: n.endswith('kernel'))
  plan = Plan.stretch(layout.depths(masks), 6, fixed=0)
  forecast = predict(masks, plan, layout)
  assert forecast.overall.kept == counts(plan.apply(masks, layout))[0]


class InvertedResidual(nn.Module):
  """MobileNetV2's block: expand, depthwise, project; identity if alike."""

  features: int
  stride: int
  expand: int

  @nn.compact
  def __call__(self, x):
    inner = self.expand * x.shape[-1]
    y = nn.Conv(inner, (1, 1), use_bias=False, name='expand')(x)
    y = nn.relu6(nn.BatchNorm(True, name='norm1')(y))
    y = nn.Conv(
      inner,
      (3, 3),
      self.stride,
      feature_group_count=inner,
      use_bias=False,
      name='depthwise',
    )(y)
    y = nn.relu6(nn.BatchNorm(True, name='norm2')(y))
    y = nn.Conv(self.features, (1, 1), use_bias=False, name='project')(y)
    y = nn.BatchNorm(True, name='norm3')(y)
    return x + y if x.shape == y.shape else y


class MobileNetV2(nn.Module):
  """Blocks numbered throughout; the third stage changes shape at stride 1."""

  repeats: tuple[int, ...]

  @nn.compact
  def __call__(self, x):
    x = nn.Conv(4, (3, 3), use_bias=False, name='stem')(x)
    number = 0
    for features, stride, repeats in zip(
      (6, 8, 10), (2, 2, 1), self.repeats, strict=True
    ):
      for repeat in range(repeats):
        x = InvertedResidual(
          features, stride if repeat == 0 else 1, 2, name=f'block{number}'
        )(x)
        number += 1
    return nn.Dense(3, name='head')(x.mean((1, 2)))


def test_blocks_grouped_by_shape():
  """Each stage is one changing block and a run of equal ones."""
  x = jax.random.normal(KEY, (2, 8, 8, 3))
  variables = init(MobileNetV2((3, 2, 4)), x)
  layout = Layout(units=r'block(\d+)').by_shape(variables)
  depths = layout.depths(variables)
  assert list(depths.values()) == [1, 2, 1, 1, 1, 3]
  assert list(depths) == [f'block/run{i}' for i in range(6)]
  wanted = {**depths, 'block/run1': 3, 'block/run3': 3}
  deep = stretch_tree(variables, wanted, layout=layout)
  check_like(jax.eval_shape(MobileNetV2((4, 4, 4)).init, KEY, x), deep)
  np.testing.assert_array_equal(
    deep['params']['block6']['project']['kernel'],
    variables['params']['block4']['project']['kernel'],
  )
  # statistics and masks alone are rewritten by the same layout
  stats = stretch_tree(variables['batch_stats'], wanted, layout=layout)
  jax.tree.map(np.testing.assert_array_equal, stats, deep['batch_stats'])
  with pytest.raises(ValueError, match='call by_shape on the parameters'):
    layout.depths(deep)
  by_name = Layout(units=r'block(\d+)')
  with pytest.raises(
    ValueError, match=r"block, unit \d, leaf '\w+/\w+': shape"
  ):
    stretch_tree(variables, 12, layout=by_name)


class Pair(nn.Module):
  """Two layers that differ, as local and global attention do."""

  depth: int

  @nn.compact
  def __call__(self, x):
    for number in range(self.depth):
      layer = nn.Dense(4, use_bias=number % 2 == 1, name=f'layers_{number}')
      x = x + layer(x)
    return x


def test_periodic_units():
  layout = Layout(units=r'layers_(\d+)', period=2, fixed=0)
  x = jnp.ones((1, 4))
  variables = init(Pair(4), x)
  assert layout.depths(variables) == {'layers': 2}
  deep = stretch_tree(variables, 3, layout=layout)
  check_like(jax.eval_shape(Pair(6).init, KEY, x), deep)
  for target, source in enumerate((0, 1, 0, 1, 2, 3)):
    np.testing.assert_array_equal(
      deep['params'][f'layers_{target}']['kernel'],
      variables['params'][f'layers_{source}']['kernel'],
    )
  with pytest.raises(
    ValueError, match='3 layers do not divide into units of 2'
  ):
    layout.depths(jax.eval_shape(Pair(3).init, KEY, x))
  with pytest.raises(ValueError, match="unit 0, leaf 'bias' is missing"):
    stretch_tree(variables, 8, layout=Layout(units=r'layers_(\d+)', fixed=0))


nnx_list = getattr(nnx, 'List', list)  # flax 0.11 takes plain lists


class NnxStack(nnx.Module):
  def __init__(self, depth: int):
    rngs = nnx.Rngs(0)
    self.layers = nnx_list([nnx.Linear(4, 4, rngs=rngs) for _ in range(depth)])
    self.head = nnx.Linear(4, 2, rngs=rngs)

  def __call__(self, x):
    for layer in self.layers:
      x = nnx.relu(layer(x))
    return self.head(x)


def test_nnx_state():
  layout = Layout(units=r'layers/(\d+)', fixed=0)
  model = NnxStack(3)
  _, state = nnx.split(model)
  deep = stretch_tree(state, 5, layout=layout)
  assert isinstance(deep, nnx.State)
  graph, wanted = nnx.split(NnxStack(5))
  assert jax.tree.structure(deep) == jax.tree.structure(wanted)
  new = nnx.merge(graph, deep)
  x = jnp.ones((1, 4))
  for layer in [*model.layers, *model.layers][:2]:
    x = nnx.relu(layer(x))
  for layer in model.layers:
    x = nnx.relu(layer(x))
  np.testing.assert_allclose(new(jnp.ones((1, 4))), model.head(x), rtol=1e-6)
  new.layers[0].kernel[...] *= 2  # replicas share nothing after merging
  assert not np.allclose(new.layers[0].kernel, new.layers[2].kernel)


def test_flat_safetensors_names(tmp_path):
  """The names of a transformers decoder, straight from a file."""
  layout = Layout(units=r'model\.layers\.(\d+)', fixed=0)
  tensors = {'model.embed_tokens.weight': np.ones((5, 4), np.float32)}
  for number in range(3):
    for name in ('self_attn.q_proj', 'mlp.down_proj'):
      value = np.full((4, 4), number, np.float32)
      tensors[f'model.layers.{number}.{name}.weight'] = value
  tensors['lm_head.weight'] = np.ones((5, 4), np.float32)
  path = tmp_path / 'model.safetensors'
  path.write_bytes(safetensors.numpy.save(tensors))
  flat = safetensors.numpy.load_file(path)
  assert layout.depths(flat) == {'model/layers': 3}
  deep = stretch_tree(flat, 4, order='interpolate', layout=layout)
  found = [
    int(deep[f'model.layers.{n}.mlp.down_proj.weight'][0, 0]) for n in range(4)
  ]
  assert found == [0, 0, 1, 2]
  assert len(deep) == 2 + 4 * 2 and set(flat) < set(deep)
  assert set(squeeze_tree(deep, 2, layout=layout)) < set(flat)


def test_flat_names_of_the_default_layout():
  nested = {'stage1': {f'block{i}': {'w': np.full(1, i)} for i in range(3)}}
  flat = flatten(nested)
  deep = stretch_tree(flat, 5)
  expected = stretch_tree(nested, 5)
  assert jax.tree.structure(unflatten(deep)) == jax.tree.structure(expected)
  assert {name: int(v[0]) for name, v in deep.items()} == {
    name: int(v[0]) for name, v in flatten(expected).items()
  }


class FlatCnn(nn.Module):
  """Layers of a block side by side, each numbered for itself."""

  depth: int

  @nn.compact
  def __call__(self, images, valid=None, train=False):
    x = nn.Conv(4, (3, 3), name='stem')(images)
    for number in range(self.depth):
      y = nn.Conv(4, (3, 3), use_bias=False, name=f'conv_{number}')(x)
      x = x + nn.relu(nn.BatchNorm(not train, name=f'bn_{number}')(y))
    return nn.Dense(3, name='head')(x.mean((1, 2)))


def flat_ticket(monkeypatch, units):
  family = families.Family(
    name='flat_cnn',
    width=4,
    depths=lambda number: {'conv': number, 'bn': number},
    module=lambda net, backend: FlatCnn(net.numbers[0]),
    layout=Layout(units=units, fixed=0),
  )
  monkeypatch.setitem(families.FAMILIES, family.name, family)  # out again
  families.register(family, replace=True)
  net = families.architecture('flat_cnn3', (4, 4, 1), 3)
  return dense_ticket(net, **net.init(0))


@pytest.mark.parametrize(
  ('field', 'message'),
  [
    ({'module': FlatCnn(3)}, 'module is no function; give one of'),
    ({'module': lambda net: FlatCnn(3)}, 'module is no function; give one of'),
    ({'layout': r'conv_(\d+)'}, 'layout is .* give a Layout'),
  ],
)
def test_what_is_no_family_is_refused(field, message):
  values = {'name': 'odd', 'width': 4, 'depths': dict, 'module': FlatCnn}
  with pytest.raises(TypeError, match=message):
    families.register(families.Family(**{**values, **field}))
  assert 'odd' not in families.FAMILIES


def test_depths_of_a_family_are_by_stage(monkeypatch):
  odd = families.Family(
    name='odd',
    width=4,
    depths=lambda number: number,
    module=lambda net, backend: FlatCnn(3),
  )
  monkeypatch.setitem(families.FAMILIES, 'odd', odd)
  with pytest.raises(TypeError, match=r'odd3: depths .* returns 3; give stage'):
    explain('odd3', 'odd5', 'append')


def test_layers_of_a_block_side_by_side(monkeypatch):
  ticket = flat_ticket(monkeypatch, r'(?:conv|bn)_(\d+)')
  stats = map_named(
    lambda name, leaf: leaf + int(name.split('/')[0][-1]), ticket.batch_stats
  )
  ticket = dataclasses.replace(ticket, batch_stats=stats)
  deep = ticket.transform('flat_cnn5', 'interpolate')
  for target, source in enumerate((0, 0, 1, 1, 2)):
    for tree, layer in (('params', 'conv'), ('batch_stats', 'bn')):
      new, old = getattr(deep, tree), getattr(ticket, tree)
      jax.tree.map(
        np.testing.assert_array_equal,
        new[f'{layer}_{target}'],
        old[f'{layer}_{source}'],
      )


def test_layers_that_the_layout_forgets_are_named(monkeypatch):
  ticket = flat_ticket(monkeypatch, r'conv_(\d+)')
  plan = Plan({'conv': (0, 0, 1, 1, 2)})
  with pytest.raises(
    ValueError,
    match=r"missing batch_stats/bn_3/mean.*Layout\.units, 'conv_\(.*, does not",
  ):
    ticket.transform('flat_cnn5', plan=plan)


def test_two_series_side_by_side():
  """An encoder and a decoder, by the stage's own group."""
  layout = Layout(units=r'(?P<stage>encoder|decoder)\.block\.(\d+)', fixed=0)
  flat = {
    f'{side}.block.{n}.w': np.full(1, n)
    for side, depth in (('encoder', 2), ('decoder', 3))
    for n in range(depth)
  }
  assert layout.depths(flat) == {'decoder': 3, 'encoder': 2}
  deep = stretch_tree(flat, {'encoder': 4, 'decoder': 3}, layout=layout)
  assert sum(name.startswith('encoder') for name in deep) == 4
  merged = Layout(units=r'block\.(\d+)', fixed=0)
  with pytest.raises(ValueError, match=r'block has 2 units in .* but 3 in'):
    merged.depths(flat)
