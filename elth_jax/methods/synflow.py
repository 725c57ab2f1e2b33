"""SynFlow, at the rewind point.

References:
  Tanaka et al., Pruning Neural Networks without Any Data by Iteratively
  Conserving Synaptic Flow, 2020.
"""

from elth_jax.families import Architecture
from elth_jax.masks import counts
from elth_jax.methods.lottery import with_masks
from elth_jax.methods.registry import register
from elth_jax.methods.scores import apply_of, variables_of
from elth_jax.pruners import synflow_masks


@register(
  'synflow',
  'rewind',
  'imp',
  label='SynFlow',
  count_only=('imp',),
  uses=('pruning',),
  colour='#A59400',
  marker='h',
)
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
    network.family.is_never_pruned,
    network.family.layout,
  )
  return with_masks(rewind, masks)
