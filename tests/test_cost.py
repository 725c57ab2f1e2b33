import subprocess
import sys
import textwrap

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from elth_jax import Layout, families
from elth_jax.families import architecture, plan_between
from elth_jax.methods import METHODS, Setting
from elth_jax.methods.lottery import dense_ticket
from elth_jax.nn.cost import multiply_adds, train_flops
from elth_jax.report import computed
from elth_jax.tickets.explanation import explain_tree
from elth_jax.trees import flatten
from tests.conftest import make_dataset

KEY = jax.random.key(0)


def counted(model, shape):
  """Of a Flax module, on shapes alone."""
  x = jax.ShapeDtypeStruct(shape, jnp.float32)
  return multiply_adds(model.apply, jax.eval_shape(model.init, KEY, x), x)


def test_a_leaf_costs_its_density():
  assert train_flops({'a': 10, 'b': 100}, {'b': 0.5}, images=2) == 6 * 60 * 2


def test_a_dense_cifar_training_of_resnet20():
  net = architecture('resnet20', (32, 32, 3), 10)
  flops = train_flops(net.multiply_adds(), {}, 160 * 50_000)
  assert flops == pytest.approx(3 * 2 * 40_813_184 * 8e6)


def test_published_costs():
  """Tables 2 and 3 of E-LTH, which round to two digits."""
  found = computed.costs()
  dpf, longer = found.pop(), found[2]
  assert dpf.ours == pytest.approx(dpf.published, abs=0.005)
  # of ResNet-18 the paper counts 0.69 dense trainings, 0.65 by its convolutions
  assert longer.ours[0] == pytest.approx(0.65, abs=0.005)
  for cost in found[:5]:
    assert cost.ours == pytest.approx(cost.published, abs=0.055), cost
  elastic = [cost.ours[0] for cost in found[5:]]
  assert elastic == sorted(elastic) and len(elastic) == 5
  assert elastic[0] < elastic[2] < 1.26 < elastic[3]  # the published cost
  text = '\n'.join(computed.section(found))
  assert '| 57 | IMP on ResNet-26 to 73.79% | 2.77 | 2.76 |' in text


class Repeated(nn.Module):
  """Layers used again, scanned (stacked and shared), rematerialised."""

  @nn.compact
  def __call__(self, x):
    def layer(module, x, _):
      return nn.relu(module(x)), None

    same = nn.Dense(4, name='same')
    for _ in range(3):
      x = nn.gelu(same(x))
    for name, axes in (('stacked', {'params': 0}), ('shared', {})):
      shared = {} if axes else {'variable_broadcast': 'params'}
      body = nn.scan(
        layer,
        variable_axes=axes,
        split_rngs={'params': bool(axes)},
        length=5,
        **shared,
      )
      x, _ = body(nn.Dense(4, name=name), x, None)
    x = nn.remat(nn.Dense)(8, name='remat')(x)
    return nn.jit(nn.Dense)(2, dtype=jnp.bfloat16, name='half')(x)


def test_layers_count_as_often_as_they_are_executed():
  assert counted(Repeated(), (1, 4)) == {
    'same/kernel': 3 * 16,
    'stacked/kernel': 5 * 16,
    'shared/kernel': 5 * 16,
    'remat/kernel': 32,
    'half/kernel': 16,
  }
  # and in this order, for several images
  assert list(counted(Repeated(), (3, 4)).values()) == [144, 240, 240, 96, 48]


def test_convolutions():
  class Net(nn.Module):
    @nn.compact
    def __call__(self, x):
      x = nn.Conv(8, (3, 3), (2, 2), name='plain')(x)
      x = nn.Conv(8, (3, 3), feature_group_count=8, name='depthwise')(x)
      x = nn.Conv(12, (1, 3), feature_group_count=2, name='groups')(x)
      return nn.ConvTranspose(2, (2, 2), (2, 2), name='transposed')(x)

  assert counted(Net(), (1, 8, 8, 4)) == {
    'plain/kernel': 16 * 8 * 9 * 4,
    'depthwise/kernel': 16 * 8 * 9,
    'groups/kernel': 16 * 12 * 3 * 4,
    'transposed/kernel': 16 * 4 * 12 * 2,
  }


def test_products_of_activations():
  """Attention of 2 heads over 5 words of 8 features."""
  net = nn.MultiHeadDotProductAttention(2, normalize_qk=True)
  found = counted(net, (1, 5, 8))
  projections = dict.fromkeys(('query', 'key', 'value', 'out'), 5 * 8 * 8)
  expected = {f'{name}/kernel': count for name, count in projections.items()}
  assert found == {**expected, 'activations': 2 * 5 * 5 * 8}
  # without weights there is no density
  flops = train_flops(found, dict.fromkeys(found.keys() & expected, 0.0), 1)
  assert flops == 6 * 2 * 5 * 5 * 8


def test_what_kernels_are_computed_from():
  """Weight normalisation, a product of two factors, a mask, a table."""

  def apply(variables, x):
    p = variables['params']
    kernel = p['scaled']['kernel'] / jnp.linalg.norm(p['scaled']['kernel'])
    x = x @ (kernel * p['scaled']['scale'])
    x = (x + p['position']) @ p['plain'].T.reshape(4, 4)
    x = x @ (p['left'] @ p['right'])
    return x @ variables['constants']['mixing']

  params = {
    'scaled': {'kernel': np.ones((3, 4)), 'scale': np.ones(4)},
    'position': np.ones((50, 4))[:1],
    'plain': np.ones((2, 8)),
    'left': np.ones((4, 2)),
    'right': np.ones((2, 6)),
  }
  variables = {'params': params, 'constants': {'mixing': np.ones((6, 7))}}
  assert multiply_adds(apply, variables, np.ones((1, 3))) == {
    'scaled/kernel': 12,
    'plain': 16,
    'right': 4 * 2 * 6 + 4 * 6,
    'activations': 42,
  }


def test_loops_and_branches():
  def apply(variables, x):
    w, v = variables['params']['w'], variables['params']['v']
    carry = jnp.zeros_like(x), 0  # the first round's is no activation yet
    carry = jax.lax.fori_loop(
      0, 7, lambda i, c: ((c[0] @ c[0].T) @ x + x @ w, c[1] + i), carry
    )
    x = jax.lax.while_loop(lambda y: y.sum() < 9, lambda y: y @ w, carry[0])
    return jax.lax.cond(x.sum() > 0, lambda y: y @ v @ w, lambda y: y @ w, x)

  variables = {'params': {'w': np.ones((3, 3)), 'v': np.ones((3, 3))}}
  found = multiply_adds(apply, variables, np.ones((2, 3)))
  assert found == {
    'activations': 7 * (2 * 2 * 3 + 2 * 2 * 3),
    'w': 7 * 18 + 18 + 18,
    'v': 18,
  }


class Encoder(nn.Module):
  """A registered family with attention, a scan, and a leaf of no product."""

  depth: int
  classes: int

  @nn.compact
  def __call__(self, images, valid=None, train=False):
    x = nn.Dense(8, name='stem')(images.reshape(images.shape[0], -1, 4))
    kernel = self.param('kernel', nn.initializers.ones, x.shape[1:])
    x = x + kernel

    def layer(module, x, _):
      return x + module(x), None

    body = nn.scan(
      layer,
      variable_axes={'params': 0},
      split_rngs={'params': True},
      length=self.depth,
    )
    x, _ = body(nn.MultiHeadDotProductAttention(2, name='layers'), x, None)
    return nn.Dense(self.classes, name='head')(x.mean(1))


@pytest.fixture
def encoder(monkeypatch):
  family = families.Family(
    name='encoder',
    width=8,
    depths=lambda number: {'layers': number},
    layout=Layout(stacked='layers', fixed=0),
    module=lambda net, form: Encoder(net.numbers[0], net.classes),
  )
  monkeypatch.setitem(families.FAMILIES, 'encoder', family)
  dataset = make_dataset()
  return architecture('encoder3', dataset.image_shape, dataset.classes)


def test_a_registered_family_of_scanned_attention(encoder):
  """4 words of 8 features, 3 layers; consumers cope with `activations`."""
  found = encoder.multiply_adds()
  layer = 3 * 4 * 8 * 8
  assert found == {
    'stem/kernel': 4 * 4 * 8,
    **{f'layers/{n}/kernel': layer for n in ('query', 'key', 'value')},
    'activations': 3 * 2 * 4 * 4 * 8,
    'layers/out/kernel': layer,
    'head/kernel': 8 * 3,
  }
  assert encoder.outputs() == 4 * 8 + 3 * 4 * (4 * 8) + 3
  ticket = dense_ticket(encoder, **encoder.init(0))
  plan = plan_between(encoder, encoder.with_name('encoder6'))
  told = explain_tree(
    ticket.params, plan, encoder.family.layout, multiply_adds=found
  )
  assert told.parts['layers'].multiply_adds == (4 * layer, 8 * layer)
  setting = Setting(1, 0, make_dataset(), 8)
  made = METHODS['rigl'].make({'rewind': ticket, 'imp': ticket}, setting)
  assert flatten(made.masks)['kernel'].all()


def test_layers_that_scale_put_numbers_out():
  """As before: every product with weights, and every BN, once."""
  net = architecture('resnet14', (8, 8, 3), 10, 4)
  first, rest = 8 * 8 * 4, (4 * 4 * 8, 2 * 2 * 16)
  stem_and_stage1 = 2 * first * (1 + 4)
  later = sum(2 * size * (4 + 1) for size in rest)
  assert net.outputs() == stem_and_stage1 + later + 10


@pytest.mark.slow
def test_the_same_without_assertions():
  """`python -O` removes them, those of Flax too."""
  code = """
    import jax, jax.numpy as jnp
    from elth_jax.families import architecture
    one, other = (architecture(n, (4, 4, 1), 3, 6) for n in ('mlp2', 'vgg13'))
    before = one.multiply_adds(), one.outputs(), one.is_own
    assert False, 'only without -O'
    for net in (one, other):
      variables = net.init(0)
      x = jax.ShapeDtypeStruct((8, 4, 4, 1), jnp.float32)
      jax.eval_shape(net.module().apply, variables, x)
      net.check_trainable()
    print(before == (one.multiply_adds(), one.outputs(), one.is_own))
    print(sum(one.multiply_adds().values()), one.outputs(), one.is_own)
  """
  done = subprocess.run(
    [sys.executable, '-O', '-c', textwrap.dedent(code)],
    capture_output=True,
    text=True,
    check=True,
  )
  assert done.stdout.splitlines() == ['True', f'{96 + 36 + 12 + 6} 17 True']
