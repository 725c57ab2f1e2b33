"""SNIP, at the rewind point.

References:
  Lee et al., SNIP: Single-shot Network Pruning based on Connection
  Sensitivity, 2019.
"""

from elth_jax.methods.registry import Setting, register
from elth_jax.methods.scores import apply_of, selected, variables_of
from elth_jax.pruners import snip_scores
from elth_jax.tickets.ticket import Ticket
from elth_jax.trees import PyTree


@register(
  'snip',
  'rewind',
  'imp',
  label='SNIP',
  count_only=('imp',),
  uses=('pruning', 'data'),
  claimed_worse=True,
  colour='#CC79A7',
  marker='^',
)
def snip(tickets, setting):
  """SNIP at the dense rewind weights, BN in evaluation mode."""
  return selected(tickets, setting, snip_of(tickets['rewind'], setting))


def snip_of(ticket: Ticket, setting: Setting) -> PyTree:
  """SNIP's scores of a dense ticket's weights."""
  return snip_scores(apply_of(ticket), variables_of(ticket), setting.batches())
