"""Elastic tickets: found on one network, transformed to another."""

from elth_jax.methods.registry import register


@register(
  'ett',
  'source',
  label='ETT',
  colour='#D55E00',
  marker='s',
  further_styles=(  # away from those of all other methods
    ('#C68900', '>'),
    ('#8C510A', 'x'),
    ('#E27367', 'P'),
    ('#B15928', '2'),
    ('#B68A50', 'v'),
  ),
)
def ett(tickets, setting):
  """The source's ticket, stretched or squeezed to the target (E-LTH)."""
  return setting.transferred(tickets['source'])
