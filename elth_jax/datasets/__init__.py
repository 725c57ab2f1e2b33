"""Data sets by name: as arrays in memory, or as streams from disk.

A data set is one entry of `DATASETS`: a function that returns it. `OUTLINES`
says what those are that may not be at hand. `register` adds one of your own.
"""

import dataclasses
import re
from collections.abc import Callable, Iterable

from elth_jax.datasets import digits, tfds, tfds_stream
from elth_jax.datasets.dataset import (
  Dataset,
  DatasetError,
  Images,
  Outline,
)
from elth_jax.datasets.stream import Stream
from elth_jax.names import unknown

__all__ = [
  'DATASETS',
  'OUTLINES',
  'Dataset',
  'DatasetError',
  'Images',
  'Outline',
  'Stream',
  'load',
  'outline',
  'register',
]


@dataclasses.dataclass(frozen=True)
class Half:
  """One of OneTicket's two data sets of one distribution.

  Attributes:
    whole: the data set that is halved.
    number: 0 or 1.
  """

  whole: tfds.Prepared
  number: int

  def load(self) -> Dataset:
    return self.whole.load().half(self.number)

  def outline(self) -> Outline:
    whole = self.whole.outline()
    return dataclasses.replace(
      whole,
      name=f'{whole.name}{"ab"[self.number]}',
      count=whole.count // 2,
    )


PREPARED = {
  **{data.name: data for data in (*tfds.PREPARED, *tfds_stream.STREAMS)},
  'cifar10a': Half(tfds.CIFAR10, 0),
  'cifar10b': Half(tfds.CIFAR10, 1),
}
HALVES = {  # name -> that of the whole
  name: data.whole.name
  for name, data in PREPARED.items()
  if isinstance(data, Half)
}
DATASETS: dict[str, Callable[[], Dataset | Stream]] = {
  'digits': digits.load,
  **{name: data.load for name, data in PREPARED.items()},
}
OUTLINES: dict[str, Callable[[], Images]] = {
  name: data.outline for name, data in PREPARED.items()
}


def unknown_dataset(name: str, known: Iterable[str]) -> str:
  """What to say of a name that is not there, perhaps one with a version."""
  plain = re.split('[:/]', name)[0]
  if plain in known:
    return f'unknown dataset {name!r}; leave the version out: {plain!r}'
  return unknown('dataset', name, known)


def register(
  name: str,
  load: Callable[[], Dataset | Stream],
  outline: Callable[[], Images] | None = None,
) -> None:
  """Makes a data set known by name, for `load` and for studies.

  Args:
    name: lower-case letters, digits and underscores, as a config gives it.
    load: returns the data set.
    outline: returns what a plan needs of it, so that a dry run need not load
      it; by default it is loaded.

  Raises:
    ValueError: if the name is taken, or cannot be one.
  """
  if name in DATASETS:
    raise ValueError(f'there is a data set {name!r} already')
  if not re.fullmatch(r'[a-z][a-z0-9_]*', name):
    raise ValueError(
      f'data set name {name!r}: use lower-case letters, digits and underscores'
    )
  DATASETS[name] = load
  if outline is not None:
    OUTLINES[name] = outline


def load(name: str) -> Dataset | Stream:
  """The data set called `name`.

  Raises:
    ValueError: if the name is unknown.
    DatasetError: if the data is not here, or not the published data; says what
      to do.
  """
  if name not in DATASETS:
    raise ValueError(unknown_dataset(name, DATASETS))
  return DATASETS[name]()


def outline(name: str) -> Images:
  """What the data set called `name` is, whether or not it is here.

  Raises:
    ValueError: if the name is unknown.
  """
  return OUTLINES[name]() if name in OUTLINES else load(name)
