"""GraSP, at the rewind point.

References:
  Wang et al., Picking Winning Tickets Before Training by Preserving Gradient
  Flow, 2020.
"""

from elth_jax.methods.registry import register
from elth_jax.methods.scores import apply_of, selected, variables_of
from elth_jax.pruners import grasp_scores


@register(
  'grasp',
  'rewind',
  'imp',
  label='GraSP',
  count_only=('imp',),
  uses=('pruning', 'data'),
  claimed_worse=True,
  colour='#8C6BB1',
  marker='p',
)
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
  return selected(tickets, setting, scores)
