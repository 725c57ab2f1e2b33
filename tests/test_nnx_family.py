"""Families whose networks are written in nnx."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from elth_jax import Layout, families
from elth_jax.methods.lottery import dense_ticket

as_list = getattr(nnx, 'List', list)  # flax 0.11 takes plain lists
IMAGES = jax.random.normal(jax.random.key(1), (6, 4, 4, 1))


class Net(nnx.Module):
  def __init__(self, depth, width, classes, rngs):
    self.stem = nnx.Linear(16, width, rngs=rngs)
    self.blocks = as_list(
      [nnx.Linear(width, width, rngs=rngs) for _ in range(depth)]
    )
    self.norm = nnx.BatchNorm(width, momentum=0.5, rngs=rngs)
    self.head = nnx.Linear(width, classes, rngs=rngs)

  def __call__(self, images):
    x = self.norm(self.stem(images.reshape(len(images), -1)))
    for block in self.blocks:
      x = x + nnx.relu(block(x))
    return self.head(x)


class Dropping(Net):
  def __init__(self, *sizes, rngs):
    super().__init__(*sizes, rngs)
    self.dropout = nnx.Dropout(0.5, rngs=rngs)


def family(module):
  return families.Family(
    name='nnx_net',
    width=5,
    depths=lambda number: {'blocks': number},
    module=module,
    layout=Layout(units=r'blocks/(\d+)', fixed=0),
  )


def network(module, depth=3):
  families.register(family(module), replace=True)
  return families.architecture(f'nnx_net{depth}', (4, 4, 1), 3)


@pytest.fixture(autouse=True)
def no_family_stays():
  yield
  families.FAMILIES.pop('nnx_net', None)


def bridged(net, backend):
  sizes = net.numbers[0], net.width, net.classes
  return families.from_nnx(lambda rngs: Net(*sizes, rngs))


def variables_of(model):
  """As this library names them, by another way: two levels at most."""
  params, stats = nnx.state(model, nnx.Param), nnx.state(model, nnx.BatchStat)
  pure = nnx.to_pure_dict(params)
  pure['blocks'] = {str(n): leaf for n, leaf in pure['blocks'].items()}
  return {'params': pure, 'batch_stats': nnx.to_pure_dict(stats)}


def test_it_computes_what_the_nnx_module_computes():
  net = network(bridged)
  model = Net(3, 5, 3, nnx.Rngs(0))
  variables = variables_of(model)
  net.check(variables)
  net.check_trainable()
  module = net.module()
  model.train()
  expected = model(IMAGES)  # changes the statistics
  found, updated = module.apply(
    variables, IMAGES, None, train=True, mutable='batch_stats'
  )
  np.testing.assert_allclose(found, expected, rtol=1e-5)
  stats = variables_of(model)['batch_stats']
  jax.tree.map(np.testing.assert_array_equal, updated['batch_stats'], stats)
  before = variables['batch_stats']['norm']['mean']
  assert not np.allclose(stats['norm']['mean'], before)
  model.eval()
  np.testing.assert_allclose(
    module.apply(variables_of(model), IMAGES), model(IMAGES), rtol=1e-5
  )


def test_its_tickets_are_stretched():
  net = network(bridged)
  ticket = dense_ticket(net, **net.init(0))
  deep = ticket.transform('nnx_net5', order='append')
  for target, source in enumerate((0, 1, 0, 1, 2)):
    np.testing.assert_array_equal(
      deep.params['blocks'][str(target)]['kernel'],
      ticket.params['blocks'][str(source)]['kernel'],
    )
  assert net.multiply_adds()['blocks/1/kernel'] == 25
  again = net.init(0)['params']['head']['kernel']
  np.testing.assert_array_equal(again, ticket.params['head']['kernel'])
  assert not np.array_equal(net.init(1)['params']['head']['kernel'], again)


def test_what_cannot_be_a_family_is_refused_with_the_remedy():
  raw = Net(3, 5, 3, nnx.Rngs(0))
  with pytest.raises(ValueError, match=r"'nnx_net': Net is an nnx .*from_nnx"):
    network(lambda net, backend: raw).shapes()
  with pytest.raises(ValueError, match="'nnx_net': its module is <function"):
    network(lambda net, backend: jnp.ones).shapes()
  with pytest.raises(ValueError, match=r'given a Net; give .*lambda rngs'):
    families.from_nnx(raw)
  dropping = network(
    lambda net, backend: families.from_nnx(
      lambda rngs: Dropping(3, 5, 3, rngs=rngs)
    )
  )
  with pytest.raises(ValueError, match=r'Dropping keeps dropout/rngs.*no drop'):
    dropping.shapes()
