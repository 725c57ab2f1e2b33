"""ImageNet, read while training goes on.

References:
  Russakovsky et al., ImageNet Large Scale Visual Recognition Challenge, 2015.
"""

from elth_jax.datasets.registry import register
from elth_jax.datasets.tfds_stream import PreparedStream

IMAGENET = PreparedStream(
  'imagenet2012',
  '5.1.0',
  1000,
  {'train': 1_281_167, 'test': 50_000},
)

register(
  IMAGENET.name,
  IMAGENET.load,
  IMAGENET.outline,
  label='ImageNet',
  doc='Photographs of a thousand kinds of things.',
  prepared=IMAGENET,
)
