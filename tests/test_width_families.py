"""Tickets of registered families in other widths are tried out or refused."""

import flax.linen as nn
import jax
import numpy as np
import pytest

from elth_jax import Layout
from elth_jax.families import (
  Architecture,
  Family,
  architecture,
  register,
)
from elth_jax.methods.lottery import dense_ticket, with_masks
from elth_jax.tickets import widths
from elth_jax.trees import map_named


class Plain(nn.Module):
  """Two layers read the images, which shapes alone leave in doubt."""

  width: int

  @nn.compact
  def __call__(self, images, valid=None, train=False):
    x = nn.Conv(self.width, (3, 3), name='stem')(images)
    x = nn.relu(x + nn.Dense(self.width, name='other')(images))
    x = nn.BatchNorm(use_running_average=not train, name='block_0')(x)
    return nn.Dense(3, name='head')(x.mean((1, 2)))


class Grouped(nn.Module):
  """Groups of two channels each."""

  width: int

  @nn.compact
  def __call__(self, images, valid=None, train=False):
    x = nn.Conv(self.width, (3, 3), name='stem')(images)
    groups = self.width // 2
    x = nn.Conv(self.width, (3, 3), feature_group_count=groups, name='block_0')(
      nn.relu(x)
    )
    return nn.Dense(3, name='head')(nn.relu(x).mean((1, 2)))


class Attending(nn.Module):
  """More heads in a wider network, and a head that starts at zero."""

  width: int

  @nn.compact
  def __call__(self, images, valid=None, train=False):
    x = nn.Dense(self.width, name='stem')(images.reshape(len(images), -1, 3))
    x = x + nn.MultiHeadDotProductAttention(self.width // 4, name='block_0')(x)
    zeros = nn.initializers.zeros
    return nn.Dense(3, kernel_init=zeros, name='head')(nn.relu(x).mean(1))


class Diverging(nn.Module):
  width: int

  @nn.compact
  def __call__(self, images, valid=None, train=False):
    x = nn.Dense(self.width, name='block_0')(images.mean((1, 2)))
    return nn.Dense(3, name='head')(x) / 0.0


for module in (Plain, Grouped, Attending, Diverging):
  register(
    Family(
      name=f'width_{module.__name__.lower()}',
      width=8,
      depths=lambda number: {'block': number},
      module=lambda net, form, module=module: module(net.width),
      layout=Layout(units=r'block_(\d+)', fixed=0),
    )
  )


def sparse_ticket(family, width=8):
  net = architecture(f'{family}1', (6, 6, 3), 3, width)
  dense = dense_ticket(net, **net.init(0))
  draw = np.random.default_rng(0)
  masks = map_named(
    lambda _, m: None if m is None else draw.random(m.shape) < 0.8, dense.masks
  )
  return with_masks(dense, masks)


def outputs(ticket):
  network = Architecture.from_json(ticket.architecture)
  images = np.random.default_rng(1).normal(size=(3, 6, 6, 3))
  variables = {'params': ticket.params, 'batch_stats': ticket.batch_stats}
  return network.module().apply(variables, images.astype(np.float32))


@pytest.mark.parametrize('variant', ['replicate', 'uneven'])
def test_a_registered_family_that_keeps_its_function(variant):
  ticket = sparse_ticket('width_plain')
  wide = widths.widen(ticket, variant)
  np.testing.assert_allclose(outputs(wide), outputs(ticket), atol=1e-5)
  back = widths.narrow(wide, merge=True)
  jax.tree.map(np.testing.assert_array_equal, back.params, ticket.params)


@pytest.mark.parametrize(
  ('family', 'leaf'),
  [
    ('width_grouped', 'block_0/kernel'),
    ('width_attending', 'block_0/out/kernel'),  # hidden by a head of zeros
  ],
)
def test_a_registered_family_that_does_not_is_refused(family, leaf):
  for variant in ('permute', 'uneven'):
    with pytest.raises(ValueError, match=f'^family {family}: ') as refused:
      widths.widen(sparse_ticket(family), variant)
    assert 'outputs differ by up to' in str(refused.value)
    assert leaf in str(refused.value)
  with pytest.raises(ValueError, match=f'^family {family}: '):
    widths.narrow(sparse_ticket(family, 16))
  # nothing is promised without halving
  widths.widen(sparse_ticket(family), halve=False)


def test_outputs_that_are_not_finite_are_named():
  with pytest.raises(ValueError, match='width_diverging1: its outputs are not'):
    widths.widen(sparse_ticket('width_diverging'))


def test_own_families_are_not_computed_again(monkeypatch):
  monkeypatch.setattr(widths, 'largest_difference', None)
  net = architecture('resnet8', (8, 8, 3), 3, 2)
  widths.narrow(widths.widen(dense_ticket(net, **net.init(0))))
