"""Elastic tickets: found on one network, transformed to another."""

from elth_jax.methods.registry import register


@register(
  'ett',
  'source',
  label='ETT',
  colour='#D55E00',
  marker='s',
  further_styles=(  # away from those of all other methods
    ('#E69F00', '>'),
    ('#8C510A', '<'),
    ('#FB8072', 'P'),
    ('#B15928', 'h'),
    ('#FDBF6F', 'X'),
  ),
)
def ett(tickets, setting):
  """The source's ticket, stretched or squeezed to the target (E-LTH)."""
  return setting.transferred(tickets['source'])
