"""ImageNet, read while training goes on.

References:
  Russakovsky et al., ImageNet Large Scale Visual Recognition Challenge, 2015.
"""

from elth_jax.datasets.registry import register
from elth_jax.datasets.tfds_stream import PreparedStream

TRAIN, VALIDATION = 'ILSVRC2012_img_train.tar', 'ILSVRC2012_img_val.tar'
IMAGENET = PreparedStream(
  name='imagenet2012',
  version='5.1.0',
  classes=1000,
  examples={'train': 1_281_167, 'test': 50_000},
  files=(TRAIN, VALIDATION),
  licensed=True,
)

register(
  IMAGENET.name,
  IMAGENET.load,
  IMAGENET.outline,
  label='ImageNet',
  doc='Photographs of a thousand kinds of things.',
  prepared=IMAGENET,
)
