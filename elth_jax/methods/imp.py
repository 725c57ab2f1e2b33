"""The tickets that magnitude pruning finds on the target itself.

A study finds them by training, with the steps of `lottery`.
"""

from elth_jax.methods.registry import register_found

register_found(
  'imp',
  'imp',
  doc='The ticket that IMP with rewinding found on the target itself.',
  label='IMP',
  pruned_by='global',
  colour='#000000',
  marker='o',
)
register_found(
  'imp_layerwise',
  doc="IMP that prunes the same share of every layer (OneTicket's figure 1).",
  label='IMP, layer by layer',
  pruned_by='leaf',
  colour='#5E3C99',
  marker='P',
)
register_found(
  'imp_oneshot',
  doc="The trained dense network pruned once to a level's sparsity, rewound.",
  label='One-shot pruning, rewound',
  pruned_by='global',
  once=True,
  colour='#7B3294',
  marker='D',
)
register_found(
  'imp_from_start',
  doc='IMP whose tickets go back to initialisation, not to the rewind step.',
  label='IMP, no late resetting',
  pruned_by='global',
  rewound_to='start',
  colour='#A38BAE',
  marker='*',
)
register_found(
  'imp_lr_rewind',
  doc='IMP whose weights stay as trained, and whose learning rate goes back.',
  label='IMP, learning rate rewound',
  pruned_by='global',
  rewound_to='trained',
  colour='#1010A0',
  marker='3',
)
