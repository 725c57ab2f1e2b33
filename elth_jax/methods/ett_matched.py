"""Elastic tickets at exactly the sparsity of the target's own IMP ticket."""

from elth_jax.masks import counts
from elth_jax.methods.registry import register
from elth_jax.tickets.transform import match_sparsity


@register(
  'ett_matched',
  'source',
  'imp',
  'rewind',
  count_only=('imp',),
  label='ETT, matched',
  colour='#D6604D',
  marker='D',
  further_styles=(
    ('#C38468', 's'),
    ('#B35806', '^'),
    ('#59002D', 'o'),
    ('#A65B80', '>'),
    ('#801500', '1'),
  ),
)
def ett_matched(tickets, setting):
  """ETT with as many weights as the target's IMP ticket of that level keeps.

  The smallest are pruned; or the largest dense rewind weights among those that
  are pruned grow again. A fresh head is dense and not counted: the others then
  have the sparsity of IMP's whole ticket.
  """
  moved = setting.transferred(tickets['source'])
  kept, total = counts(tickets['imp'].masks)
  return match_sparsity(moved, 1 - kept / total, tickets['rewind'])
