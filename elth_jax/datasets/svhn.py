"""SVHN: house numbers, cut to single digits.

References:
  Netzer et al., Reading Digits in Natural Images with Unsupervised Feature
  Learning, 2011.
"""

from elth_jax.datasets.registry import register
from elth_jax.datasets.tfds import Prepared


def _forms():
  from elth_jax.datasets.prepare import formats, published

  splits = {'train': ('train_32x32.mat',), 'test': ('test_32x32.mat',)}
  return (published.Form(splits, formats.svhn),)


SVHN = Prepared(
  name='svhn_cropped',
  version='3.1.0',
  shape=(32, 32, 3),
  classes=10,
  mean=(0.4377, 0.4438, 0.4728),
  std=(0.1980, 0.2010, 0.1970),
  # without the 531,131 extra images
  examples={'train': 73_257, 'test': 26_032},
  content={},
  forms=_forms,
  ids='{split}_{row:06d}',
)

register(
  SVHN.name,
  SVHN.load,
  SVHN.outline,
  label='SVHN',
  doc='Digits of house numbers.',
  prepared=SVHN,
)
