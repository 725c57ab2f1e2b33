"""Data sets by name, as arrays in memory.

A data set is one entry of `DATASETS`: a function that returns a `Dataset`.
"""

from collections.abc import Callable

from elth_jax.datasets import digits, tfds
from elth_jax.datasets.dataset import Dataset
from elth_jax.names import unknown

DATASETS: dict[str, Callable[[], Dataset]] = {
  'digits': digits.load,
  'cifar10': tfds.cifar10,
  'mnist': tfds.mnist,
}


def load(name: str) -> Dataset:
  """The data set called `name`.

  Raises:
    ValueError: if the name is unknown.
    tfds.DatasetMissingError: if the data is not here; says what to do.
  """
  if name not in DATASETS:
    raise ValueError(unknown('dataset', name, DATASETS))
  return DATASETS[name]()
