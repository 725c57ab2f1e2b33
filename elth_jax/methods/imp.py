"""The tickets that magnitude pruning finds on the target itself.

A study finds them by training, with the steps of `lottery` (`pruned_by`). The
functions here are not called; they stand for what the methods are.
"""

from elth_jax.methods.registry import register


@register(
  'imp', 'imp', label='IMP', pruned_by='global', colour='#000000', marker='o'
)
def imp(tickets, setting):
  """The ticket that IMP with rewinding found on the target itself."""
  raise NotImplementedError


@register(
  'imp_layerwise',
  label='IMP, layer by layer',
  pruned_by='leaf',
  colour='#5E3C99',
  marker='P',
)
def imp_layerwise(tickets, setting):
  """IMP that prunes the same share of every layer (OneTicket's figure 1)."""
  raise NotImplementedError


@register(
  'imp_oneshot',
  label='One-shot pruning, rewound',
  pruned_by='global',
  once=True,
  colour='#7B3294',
  marker='D',
)
def imp_oneshot(tickets, setting):
  """The trained dense network pruned once to a level's sparsity, rewound."""
  raise NotImplementedError


@register(
  'imp_from_start',
  label='IMP, no late resetting',
  pruned_by='global',
  rewound_to='start',
  colour='#A38BAE',
  marker='*',
)
def imp_from_start(tickets, setting):
  """IMP whose tickets go back to initialisation, not to the rewind step."""
  raise NotImplementedError
