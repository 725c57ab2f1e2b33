"""The tickets of IMP and of ETT, and one-shot pruning at the rewind point."""

import dataclasses
import functools

from elth_jax.families import Architecture
from elth_jax.masks import apply_masks, counts, permute_within_leaves
from elth_jax.methods.lottery import with_masks
from elth_jax.methods.registry import Setting, Tickets, register
from elth_jax.nn import conv_backends
from elth_jax.pruners import (
  grasp_scores,
  magnitude_scores,
  select,
  snip_scores,
  synflow_masks,
)
from elth_jax.randomness import generator
from elth_jax.tickets.ticket import Ticket
from elth_jax.trees import PyTree


@register('imp', 'imp', title='IMP', pruned_by='global')
def imp(tickets, setting):
  """The ticket that IMP with rewinding found on the target itself."""
  del setting
  return tickets['imp']


@register('imp_layerwise', title='IMP, layer by layer', pruned_by='leaf')
def imp_layerwise(tickets, setting):
  """IMP that prunes the same share of every layer (OneTicket's figure 1)."""
  del setting
  return tickets['imp']


@register('ett', 'source', title='ETT')
def ett(tickets, setting):
  """The source's ticket, stretched or squeezed to the target (E-LTH)."""
  return setting.transferred(tickets['source'])


@register('reinit', 'imp', title='Reinit', beaten=True)
def reinit(tickets, setting):
  """The target's IMP mask over weights and BN freshly initialised.

  OneTicket's "preserved" masks.
  """
  return fresh_under(tickets['imp'], setting.seed_for('reinit'))


@register('random', 'rewind', 'imp', title='Random', beaten=True)
def random(tickets, setting):
  """Dense rewind weights, the target's IMP mask permuted in each layer."""
  shuffle = generator(setting.seed_for('random'), 'permute')
  masks = permute_within_leaves(tickets['imp'].masks, shuffle)
  return with_masks(tickets['rewind'], masks)


SCORED = {'counted': ('imp',), 'uses': ('pruning',)}
SCORED_ON_DATA = {
  'counted': ('imp',),
  'uses': ('pruning', 'data'),
  'beaten': True,
}


@register(
  'magnitude', 'rewind', 'imp', title='Magnitude', beaten=True, **SCORED
)
def magnitude(tickets, setting):
  """The largest dense rewind weights, as many as the IMP ticket keeps."""
  scores = magnitude_scores(tickets['rewind'].params)
  return _selected(tickets, setting, scores)


@register('snip', 'rewind', 'imp', title='SNIP', **SCORED_ON_DATA)
def snip(tickets, setting):
  """SNIP at the dense rewind weights, BN in evaluation mode."""
  return _selected(tickets, setting, snip_of(tickets['rewind'], setting))


@register('grasp', 'rewind', 'imp', title='GraSP', **SCORED_ON_DATA)
def grasp(tickets, setting):
  """GraSP at the dense rewind weights, BN in evaluation mode."""
  rewind = tickets['rewind']
  scores = grasp_scores(
    apply_of(rewind),
    variables_of(rewind),
    setting.batches(),
    absolute=setting.pruning.grasp_absolute,
    masks=rewind.masks,
  )
  return _selected(tickets, setting, scores)


@register('synflow', 'rewind', 'imp', title='SynFlow', **SCORED)
def synflow(tickets, setting):
  """SynFlow at the dense rewind weights, in many rounds."""
  rewind = tickets['rewind']
  network = Architecture.from_json(rewind.architecture)
  masks = synflow_masks(
    apply_of(rewind),
    variables_of(rewind),
    rewind.masks,
    counts(tickets['imp'].masks)[0],
    network.input_shape,
    setting.pruning.synflow_rounds,
    setting.pruning.scope,
    network.family.is_spared,
  )
  return with_masks(rewind, masks)


def fresh_under(ticket: Ticket, seed: int, masks: PyTree = None) -> Ticket:
  """New weights and statistics under a ticket's masks, or under others."""
  masks = ticket.masks if masks is None else masks
  fresh = Architecture.from_json(ticket.architecture).init(seed)
  return dataclasses.replace(
    ticket,
    params=apply_masks(fresh['params'], masks),
    batch_stats=fresh['batch_stats'],
    masks=masks,
  )


def snip_of(ticket: Ticket, setting: Setting) -> PyTree:
  """SNIP's scores of a dense ticket's weights."""
  return snip_scores(apply_of(ticket), variables_of(ticket), setting.batches())


def variables_of(ticket: Ticket) -> dict[str, PyTree]:
  """A ticket's weights and statistics as Flax takes them."""
  return {'params': ticket.params, 'batch_stats': ticket.batch_stats}


def apply_of(ticket: Ticket):
  """The network's forward pass, BN in evaluation mode: one object each."""
  return _apply(Architecture.from_json(ticket.architecture))


@functools.lru_cache
def _apply(network: Architecture):
  # XLA's own convolution: outside a loop it is fast, and differentiated twice
  return network.module(conv_backends.NHWC).apply


def _selected(tickets: Tickets, setting: Setting, scores: PyTree) -> Ticket:
  """The dense rewind weights of the largest scores, as many as IMP keeps."""
  rewind = tickets['rewind']
  family = Architecture.from_json(rewind.architecture).family
  keep, _ = counts(tickets['imp'].masks)
  masks = select(
    scores,
    rewind.masks,
    keep,
    setting.pruning.scope,
    family.is_spared,
    family.layout,
  )
  return with_masks(rewind, masks)
