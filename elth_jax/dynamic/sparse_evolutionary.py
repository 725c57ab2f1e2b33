"""SET, sparse evolutionary training: RigL that grows at random.

New weights need no gradient there.
"""

from elth_jax.dynamic.method import register
from elth_jax.dynamic.rigl import note_on_changes, rigl_from, rigl_settings


@register(
  'set',
  rigl_settings,
  label='SET',
  colour='#7A7A7A',
  marker='<',
  note=note_on_changes,
  version=2,
)
def _set(options, training):
  """SET: as RigL, growing at random."""
  return rigl_from(options, training, 'random')
