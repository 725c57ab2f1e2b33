"""One-shot pruning by magnitude, at the rewind point."""

from elth_jax.methods.registry import register
from elth_jax.methods.scores import selected
from elth_jax.pruners import magnitude_scores


@register(
  'magnitude',
  'rewind',
  'imp',
  label='Magnitude',
  count_only=('imp',),
  uses=('pruning',),
  claimed_worse=True,
  colour='#009E73',
  marker='D',
)
def magnitude(tickets, setting):
  """The largest dense rewind weights, as many as the IMP ticket keeps."""
  scores = magnitude_scores(tickets['rewind'].params)
  return selected(tickets, setting, scores)
