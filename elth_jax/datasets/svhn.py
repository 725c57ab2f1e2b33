"""SVHN: house numbers, cut to single digits.

References:
  Netzer et al., Reading Digits in Natural Images with Unsupervised Feature
  Learning, 2011.
"""

from elth_jax.datasets.registry import register
from elth_jax.datasets.tfds import Prepared

SVHN = Prepared(
  'svhn_cropped',
  '3.1.0',
  (32, 32, 3),
  10,
  (0.4377, 0.4438, 0.4728),
  (0.1980, 0.2010, 0.1970),
  {'train': 73_257, 'test': 26_032},  # without the 531,131 extra images
  {},
)

register(
  SVHN.name,
  SVHN.load,
  SVHN.outline,
  label='SVHN',
  doc='Digits of house numbers.',
  prepared=SVHN,
)
