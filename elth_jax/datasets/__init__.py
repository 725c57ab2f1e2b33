"""Data sets by name: as arrays in memory, or as streams from disk.

A new data set is a new module here, which calls `register`; it is found. A
file outside the package may call `datasets.register` as well.
"""

from elth_jax.datasets.dataset import (
  Dataset,
  DatasetError,
  Images,
  Outline,
)
from elth_jax.datasets.registry import (
  DATASETS,
  DatasetEntry,
  find,
  load,
  outline,
  pretty,
  register,
)
from elth_jax.datasets.stream import Stream
from elth_jax.registry import import_modules

__all__ = [
  'DATASETS',
  'Dataset',
  'DatasetEntry',
  'DatasetError',
  'Images',
  'Outline',
  'Stream',
  'find',
  'load',
  'outline',
  'pretty',
  'register',
]

import_modules(__name__, __path__)
