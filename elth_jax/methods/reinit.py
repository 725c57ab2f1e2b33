"""IMP's masks over new weights, and IMP's weights under other masks."""

import dataclasses

from elth_jax.families import Architecture
from elth_jax.masks import apply_masks, permute_within_leaves
from elth_jax.methods.lottery import with_masks
from elth_jax.methods.registry import register
from elth_jax.randomness import generator
from elth_jax.tickets.ticket import Ticket
from elth_jax.tickets.value import untested
from elth_jax.trees import PyTree


@register(
  'reinit',
  'imp',
  label='Reinit',
  claimed_worse=True,
  colour='#0072B2',
  marker='v',
)
def reinit(tickets, setting):
  """The target's IMP mask over weights and BN freshly initialised.

  OneTicket's "preserved" masks.
  """
  return fresh_under(tickets['imp'], setting.seed_for('reinit'))


@register(
  'random',
  'rewind',
  'imp',
  label='Random',
  claimed_worse=True,
  colour='#4A9BC8',
  marker='X',
)
def random(tickets, setting):
  """Dense rewind weights, the target's IMP mask permuted in each layer."""
  shuffle = generator(setting.seed_for('random'), 'permute')
  masks = permute_within_leaves(tickets['imp'].masks, shuffle)
  return with_masks(tickets['rewind'], masks)


def fresh_under(ticket: Ticket, seed: int, masks: PyTree = None) -> Ticket:
  """New weights and statistics under a ticket's masks, or under others."""
  masks = ticket.masks if masks is None else masks
  fresh = Architecture.from_json(ticket.architecture).init(seed)
  return dataclasses.replace(
    ticket,
    params=apply_masks(fresh['params'], masks),
    batch_stats=fresh['batch_stats'],
    masks=masks,
    provenance=untested(ticket),
  )
