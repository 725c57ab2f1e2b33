"""Methods whose masks change in training: RigL, SET and DPF."""

import dataclasses

from elth_jax.dynamic import erk_counts, uniform_counts
from elth_jax.dynamic.distribution import random_masks
from elth_jax.families import Architecture
from elth_jax.masks import counts
from elth_jax.methods.lottery import with_masks
from elth_jax.methods.registry import Setting, Tickets, register
from elth_jax.tickets.ticket import Ticket
from elth_jax.trees import flatten

ROLES = ('rewind', 'imp')
CHANGING = {'counted': ('imp',), 'uses': ('sparse',)}


def _scattered(tickets: Tickets, setting: Setting, purpose: str) -> Ticket:
  """Dense rewind weights under random masks with RigL's counts by layer."""
  rewind = tickets['rewind']
  network = Architecture.from_json(rewind.architecture)
  masks = {n: m for n, m in flatten(rewind.masks).items() if m is not None}
  in_order = [name for name in network.multiply_adds() if name in masks]
  shapes = {  # in network order; leaves of no product last
    name: masks[name].shape for name in dict.fromkeys([*in_order, *masks])
  }
  keep, _ = counts(tickets['imp'].masks)
  spared = [name for name in shapes if network.family.is_spared(name)]
  if setting.sparse.distribution == 'erk':
    kept = erk_counts(shapes, keep, spared)
  else:
    kept = uniform_counts(shapes, keep, [next(iter(shapes)), *spared])
  seed = setting.seed_for(purpose)
  return _keeping(
    with_masks(rewind, random_masks(rewind.masks, kept, seed)), keep
  )


@register('rigl', *ROLES, **CHANGING, title='RigL', dynamic='rigl')
def rigl(tickets, setting):
  """RigL from the target's rewind weights, random masks by ERK."""
  return _scattered(tickets, setting, 'rigl')


@register(
  'rigl_x5', *ROLES, **CHANGING, title='RigL-5x', dynamic='rigl', times=5
)
def rigl_x5(tickets, setting):
  """RigL trained five times as long, drops and window too (RigL-5x)."""
  return _scattered(tickets, setting, 'rigl')


@register('set', *ROLES, **CHANGING, title='SET', dynamic='set')
def set_(tickets, setting):
  """SET: as RigL, growing at random."""
  return _scattered(tickets, setting, 'set')


@register('dpf', *ROLES, **CHANGING, title='DPF', dynamic='dpf')
def dpf(tickets, setting):
  """DPF: dense weights trained behind a mask that grows sparser."""
  del setting
  return _keeping(tickets['rewind'], counts(tickets['imp'].masks)[0])


def _keeping(ticket: Ticket, keep: int) -> Ticket:
  """The ticket with a note of how many weights are kept in the end."""
  about = {**ticket.provenance, 'keep': keep}
  return dataclasses.replace(ticket, provenance=about)
