"""Places365, read while training goes on.

References:
  Zhou et al., Places: A 10 Million Image Database for Scene Recognition, 2017.
"""

from elth_jax.datasets.registry import register
from elth_jax.datasets.tfds_stream import PreparedStream

PLACES365 = PreparedStream(
  name='places365_small',
  version='2.1.0',
  classes=365,
  examples={'train': 1_803_460, 'test': 36_500},
  files=(
    'train_256_places365standard.tar',
    'val_256.tar',
    'test_256.tar',
    'filelist_places365-standard.tar',
  ),
)

register(
  PLACES365.name,
  PLACES365.load,
  PLACES365.outline,
  label='Places365',
  doc='Photographs of 365 kinds of places.',
  prepared=PLACES365,
)
