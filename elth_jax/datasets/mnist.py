"""MNIST and Fashion-MNIST.

References:
  LeCun et al., Gradient-based Learning Applied to Document Recognition, 1998;
  Xiao et al., Fashion-MNIST, 2017.
"""

from elth_jax.datasets.registry import register
from elth_jax.datasets.tfds import Prepared


def _forms():
  from elth_jax.datasets.prepare import formats, published

  def names(part):
    return f'{part}-images-idx3-ubyte', f'{part}-labels-idx1-ubyte'

  splits = {'train': names('train'), 'test': names('t10k')}
  return (published.Form(splits, formats.mnist, ending='.gz'),)


MNIST = Prepared(
  name='mnist',
  version='3.0.1',
  shape=(28, 28, 1),
  classes=10,
  mean=(0.1307,),
  std=(0.3081,),
  examples={'train': 60_000, 'test': 10_000},
  content={
    'train': 'a54cf4a384d3bb5af45eb56f81d42637e1ceab547035c08a3103f93ce94ebcc8',
    'test': '19a3cdcb4cf1a5cf9b28e7e6372dceeadb74bac75e40dccbdd32560f55504c7e',
  },
  forms=_forms,
)
FASHION_MNIST = Prepared(
  name='fashion_mnist',
  version='3.0.1',
  shape=(28, 28, 1),
  classes=10,
  mean=(0.2860,),
  std=(0.3530,),
  examples={'train': 60_000, 'test': 10_000},
  content={
    'train': '2730462015ace16ceaabbf1f6fe96a02e5e4927151b448fa9bb69b05fde8ae30',
    'test': '53a1127dea06695bfe8ee832f90ca162566d53ca99a3a49ccbecf64c8731c05d',
  },
  forms=_forms,
)

register(
  MNIST.name,
  MNIST.load,
  MNIST.outline,
  label='MNIST',
  doc='Handwritten digits.',
  prepared=MNIST,
)
register(
  FASHION_MNIST.name,
  FASHION_MNIST.load,
  FASHION_MNIST.outline,
  label='Fashion-MNIST',
  doc='Ten kinds of clothing, in grey.',
  prepared=FASHION_MNIST,
)
