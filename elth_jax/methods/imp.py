"""The tickets that IMP with rewinding finds on the target itself.

`lottery` has the steps that find them.
"""

from elth_jax.methods.registry import register


@register(
  'imp', 'imp', label='IMP', pruned_by='global', colour='#000000', marker='o'
)
def imp(tickets, setting):
  """The ticket that IMP with rewinding found on the target itself."""
  del setting
  return tickets['imp']


@register(
  'imp_layerwise',
  label='IMP, layer by layer',
  pruned_by='leaf',
  colour='#5E3C99',
  marker='8',
)
def imp_layerwise(tickets, setting):
  """IMP that prunes the same share of every layer (OneTicket's figure 1)."""
  del setting
  return tickets['imp']
