"""CIFAR-10 and CIFAR-100, and CIFAR-10 in two halves.

References:
  Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009.
"""

import dataclasses

from elth_jax.datasets.dataset import (
  IMAGENET_MEAN,
  IMAGENET_STD,
  Dataset,
  Outline,
)
from elth_jax.datasets.registry import register
from elth_jax.datasets.tfds import Prepared

CIFAR10 = Prepared(
  'cifar10',
  '3.0.2',
  (32, 32, 3),
  10,
  (0.4914, 0.4822, 0.4465),
  (0.2470, 0.2435, 0.2616),
  {'train': 50_000, 'test': 10_000},
  {
    'train': '9e403a645a1c174a6fe79109361fd279a61fa5fcf4c083e0f2b0f714b519ea2b',
    'test': '68811822c78471fdca4aab8533d2d4f04deb8e2f86f57e3c232b3c5b583736cc',
  },
  published_stats=(IMAGENET_MEAN, IMAGENET_STD),
)
CIFAR100 = Prepared(
  'cifar100',
  '3.0.2',
  (32, 32, 3),
  100,
  (0.5071, 0.4865, 0.4409),
  (0.2673, 0.2564, 0.2762),
  {'train': 50_000, 'test': 10_000},
  {},
  published_stats=(IMAGENET_MEAN, IMAGENET_STD),
)


@dataclasses.dataclass(frozen=True)
class Half:
  """One of OneTicket's two data sets of one distribution.

  Attributes:
    whole: the data set that is halved.
    number: 0 or 1.
  """

  whole: Prepared
  number: int

  @property
  def name(self) -> str:
    return f'{self.whole.name}{"ab"[self.number]}'

  def load(self) -> Dataset:
    return self.whole.load().half(self.number)

  def outline(self) -> Outline:
    whole = self.whole.outline()
    return dataclasses.replace(whole, name=self.name, count=whole.count // 2)


register(
  CIFAR10.name,
  CIFAR10.load,
  CIFAR10.outline,
  label='CIFAR-10',
  doc='Small photographs of ten kinds of animals and vehicles.',
  prepared=CIFAR10,
)
register(
  CIFAR100.name,
  CIFAR100.load,
  CIFAR100.outline,
  label='CIFAR-100',
  doc='Small photographs of a hundred kinds of things.',
  prepared=CIFAR100,
)
for half in (Half(CIFAR10, 0), Half(CIFAR10, 1)):
  register(
    half.name,
    half.load,
    half.outline,
    label=f'CIFAR-10{half.name[-1]}',
    doc='Half of the training images of each class of CIFAR-10.',
    half_of=CIFAR10.name,
  )
