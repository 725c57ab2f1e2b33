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
  marker='P',
)
def imp_layerwise(tickets, setting):
  """IMP that prunes the same share of every layer (OneTicket's figure 1)."""
  del setting
  return tickets['imp']


@register(
  'imp_oneshot',
  'imp',
  label='One-shot pruning, rewound',
  pruned_by='global',
  once=True,
  colour='#7B3294',
  marker='D',
)
def imp_oneshot(tickets, setting):
  """The trained dense network pruned once to a level's sparsity, rewound."""
  del setting
  return tickets['imp']


@register(
  'imp_from_start',
  'imp',
  label='IMP, no late resetting',
  pruned_by='global',
  rewound_to='start',
  colour='#A38BAE',
  marker='*',
)
def imp_from_start(tickets, setting):
  """IMP whose tickets go back to initialisation, not to the rewind step."""
  del setting
  return tickets['imp']
