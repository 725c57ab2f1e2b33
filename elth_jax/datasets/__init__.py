"""Data sets by name, as arrays in memory.

A data set is one entry of `DATASETS`: a function that returns a `Dataset`.
"""

from collections.abc import Callable

from elth_jax.datasets import digits, tfds
from elth_jax.datasets.dataset import Dataset, DatasetError
from elth_jax.names import unknown

__all__ = ['DATASETS', 'Dataset', 'DatasetError', 'load']

DATASETS: dict[str, Callable[[], Dataset]] = {
  'digits': digits.load,
  **{data.name: data.load for data in tfds.PREPARED},
  # OneTicket's two data sets of one distribution: half of each class
  'cifar10a': lambda: tfds.CIFAR10.load().half(0),
  'cifar10b': lambda: tfds.CIFAR10.load().half(1),
}


def load(name: str) -> Dataset:
  """The data set called `name`.

  Raises:
    ValueError: if the name is unknown.
    DatasetError: if the data is not here, or not the published data; says what
      to do.
  """
  if name not in DATASETS:
    raise ValueError(unknown('dataset', name, DATASETS))
  return DATASETS[name]()
