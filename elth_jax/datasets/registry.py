"""What a data set's entry is, and the registry of them.

Each data set's module registers it.
"""

import dataclasses
import re
from collections.abc import Callable
from typing import Any

from elth_jax.datasets.dataset import (
  Dataset,
  DatasetError,
  Images,
  Outline,
)
from elth_jax.datasets.stream import Stream
from elth_jax.registry import Registry


@dataclasses.dataclass(frozen=True)
class DatasetEntry:
  """A data set by name, and how it is shown.

  Attributes:
    load: returns it.
    outline: returns what a plan needs of it, so that a dry run need not load
      it; by default it is loaded.
    label: as papers write its name, e.g. `CIFAR-10`.
    doc: what its images show.
    prepared: the `tfds.Prepared` or `tfds_stream.PreparedStream` that says how
      it is made ready for reading; `None` if it need not be.
    half_of: the data set of which it is a half, and which is prepared whole.
  """

  load: Callable[[], Dataset | Stream]
  outline: Callable[[], Images] | None = None
  label: str = ''
  doc: str = ''
  prepared: Any = None
  half_of: str = ''


DATASETS: Registry[DatasetEntry] = Registry('data set')


def register(
  name: str,
  load: Callable[[], Dataset | Stream],
  outline: Callable[[], Images] | None = None,
  label: str = '',
  replace: bool = False,
  **options: Any,
) -> None:
  """Makes a data set known by name, for `load` and for studies.

  Args:
    name: lower-case letters, digits and underscores, as a config gives it.
    load: returns the data set.
    outline: returns what a plan needs of it, so that a dry run need not load
      it; by default it is loaded.
    label: as papers write its name; by default, `name`.
    replace: whether it may take the place of a data set of that name, as when
      a notebook's cell runs again.
    **options: other fields of `DatasetEntry`.

  Raises:
    TypeError: if `load` or `outline` is no function.
    ValueError: if the name is taken, or cannot be one.
  """
  if not isinstance(name, str) or not re.fullmatch(r'[a-z][a-z0-9_]*', name):
    raise ValueError(
      f'data set name {name!r}: use lower-case letters, digits and underscores'
    )
  for what, given in (('load', load), ('outline', outline or load)):
    if not callable(given):
      raise TypeError(
        f'data set {name!r}: {what} is a {type(given).__name__}; give a '
        'function that returns it, e.g. lambda: data'
      )
  entry = DatasetEntry(load, outline, label or name, **options)
  DATASETS.register(name, entry, replace)


def find(name: str) -> DatasetEntry:
  """The entry of a data set.

  Raises:
    ValueError: if the name is unknown, perhaps since it has a version.
  """
  plain = re.split('[:/]', name)[0]
  if name not in DATASETS and plain in DATASETS:
    raise ValueError(
      f'unknown data set {name!r}; leave the version out: {plain!r}'
    )
  return DATASETS.find(name)


def load(name: str) -> Dataset | Stream:
  """The data set called `name`.

  Raises:
    ValueError: if the name is unknown.
    DatasetError: if the data is not here, or not the published data; says what
      to do. If its function fails or returns anything else.
  """
  return _made(name, find(name).load, (Dataset, Stream))


def outline(name: str) -> Images:
  """What the data set called `name` is, whether or not it is here.

  Raises:
    ValueError: if the name is unknown.
    DatasetError: as `load`, for a data set that has no outline.
  """
  entry = find(name)
  return _made(name, entry.outline or entry.load, (Outline, Dataset, Stream))


def pretty(name: str) -> str:
  """`cifar10` as `CIFAR-10`; the name itself where there is no label."""
  return DATASETS[name].label or name if name in DATASETS else name


def _made(
  name: str, make: Callable[[], Any], kinds: tuple[type[Images], ...]
) -> Any:
  """What a data set's function returns; `DatasetError` if it does not."""
  try:
    found = make()
  except DatasetError:
    raise
  except Exception as error:  # a function of a user's may raise anything
    reason = f'{type(error).__name__}: {error}'.partition('\n')[0]
    raise DatasetError(
      f'data set {name!r} cannot be loaded: {reason}'
    ) from error
  if not isinstance(found, kinds):
    raise DatasetError(
      f'data set {name!r}: its function returns {type(found).__name__}; it '
      f'must return {" or ".join(kind.__name__ for kind in kinds)}'
    )
  return found
