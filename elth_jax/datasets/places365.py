"""Places365, read while training goes on.

References:
  Zhou et al., Places: A 10 Million Image Database for Scene Recognition, 2017.
"""

from elth_jax.datasets.registry import register
from elth_jax.datasets.tfds_stream import PreparedStream

PLACES365 = PreparedStream(
  'places365_small',
  '2.1.0',
  365,
  {'train': 1_803_460, 'test': 36_500},
)

register(
  PLACES365.name,
  PLACES365.load,
  PLACES365.outline,
  label='Places365',
  doc='Photographs of 365 kinds of places.',
  prepared=PLACES365,
)
