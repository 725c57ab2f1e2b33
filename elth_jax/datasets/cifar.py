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

IDS = '{split}_{row:05d}'


def _cifar10_forms():
  from elth_jax.datasets.prepare import formats, published

  batches = tuple(f'data_batch_{number}' for number in range(1, 6))
  binary = {
    'train': tuple(f'{name}.bin' for name in batches),
    'test': ('test_batch.bin',),
  }
  python = {'train': batches, 'test': ('test_batch',)}
  return (
    published.Form(
      binary, formats.cifar10, 'cifar-10-binary', 'cifar-10-batches-bin'
    ),
    published.Form(
      python, formats.cifar10_python, 'cifar-10-python', 'cifar-10-batches-py'
    ),
  )


def _cifar100_forms():
  from elth_jax.datasets.prepare import formats, published

  binary = {'train': ('train.bin',), 'test': ('test.bin',)}
  python = {'train': ('train',), 'test': ('test',)}
  return (
    published.Form(
      binary, formats.cifar100, 'cifar-100-binary', 'cifar-100-binary'
    ),
    published.Form(
      python, formats.cifar100_python, 'cifar-100-python', 'cifar-100-python'
    ),
  )


CIFAR10 = Prepared(
  name='cifar10',
  version='3.0.2',
  shape=(32, 32, 3),
  classes=10,
  mean=(0.4914, 0.4822, 0.4465),
  std=(0.2470, 0.2435, 0.2616),
  examples={'train': 50_000, 'test': 10_000},
  content={
    'train': '9e403a645a1c174a6fe79109361fd279a61fa5fcf4c083e0f2b0f714b519ea2b',
    'test': '68811822c78471fdca4aab8533d2d4f04deb8e2f86f57e3c232b3c5b583736cc',
  },
  forms=_cifar10_forms,
  ids=IDS,
  published_stats=(IMAGENET_MEAN, IMAGENET_STD),
)
CIFAR100 = Prepared(
  name='cifar100',
  version='3.0.2',
  shape=(32, 32, 3),
  classes=100,
  mean=(0.5071, 0.4865, 0.4409),
  std=(0.2673, 0.2564, 0.2762),
  examples={'train': 50_000, 'test': 10_000},
  content={},
  forms=_cifar100_forms,
  ids=IDS,
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
