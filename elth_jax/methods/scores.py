"""What pruning by scores shares: a dense ticket's network, and selection."""

from elth_jax.families import Architecture
from elth_jax.families.family import kept_by_network
from elth_jax.masks import counts
from elth_jax.methods.lottery import with_masks
from elth_jax.methods.registry import Setting, Tickets
from elth_jax.nn import conv_backends
from elth_jax.pruners import select
from elth_jax.tickets.ticket import Ticket
from elth_jax.trees import PyTree


def variables_of(ticket: Ticket) -> dict[str, PyTree]:
  """A ticket's weights and statistics as Flax takes them."""
  return {'params': ticket.params, 'batch_stats': ticket.batch_stats}


def apply_of(ticket: Ticket):
  """The network's forward pass, BN in evaluation mode: one object each."""
  return _apply(Architecture.from_json(ticket.architecture))


@kept_by_network
def _apply(network: Architecture):
  # XLA's own convolution: outside a loop it is fast, and differentiated twice
  return network.module(conv_backends.NHWC).apply


def selected(tickets: Tickets, setting: Setting, scores: PyTree) -> Ticket:
  """The dense rewind weights of the largest scores, as many as IMP keeps."""
  rewind = tickets['rewind']
  family = Architecture.from_json(rewind.architecture).family
  keep, _ = counts(tickets['imp'].masks)
  masks = select(
    scores,
    rewind.masks,
    keep,
    setting.pruning.scope,
    family.is_never_pruned,
    family.layout,
  )
  return with_masks(rewind, masks)
