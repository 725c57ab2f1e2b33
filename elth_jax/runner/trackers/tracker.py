"""What a tracker is, and the registry."""

import abc
import dataclasses
import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from elth_jax.registry import Registry


class Tracker(abc.ABC):
  """Takes numbers while a study runs; a context, which is left at its end."""

  @abc.abstractmethod
  def log(self, run: str, step: int, values: Mapping[str, float]) -> None:
    """Takes numbers of a run in training.

    Args:
      run: its name.
      step: counted from the dense start.
      values: name -> number, e.g. `loss`, `train_accuracy` (0 to 1).
    """

  @abc.abstractmethod
  def finish(self, run: str, step: int, values: Mapping[str, float]) -> None:
    """Takes the results of a run that is done, e.g. `test_accuracy`."""

  @abc.abstractmethod
  def close(self) -> None:
    """Writes what is not written yet."""

  def __enter__(self) -> Self:
    return self

  def __exit__(self, *exception: object) -> None:
    self.close()


class NoTracker(Tracker):
  """Takes nothing."""

  def log(self, run: str, step: int, values: Mapping[str, float]) -> None:
    del run, step, values

  def finish(self, run: str, step: int, values: Mapping[str, float]) -> None:
    del run, step, values

  def close(self) -> None:
    pass


@dataclasses.dataclass(frozen=True)
class Entry:
  """A tracker that can be chosen.

  Attributes:
    make: makes one from the workdir and the study's config, as JSON has it.
    package: what must be installed, by an extra of the tracker's name; empty
      if nothing must.
  """

  make: Callable[[Path, Mapping[str, Any]], Tracker]
  package: str = ''


TRACKERS: Registry[Entry] = Registry('tracker')


def register(
  name: str,
  make: Callable[[Path, Mapping[str, Any]], Tracker],
  package: str = '',
  replace: bool = False,
) -> None:
  """Makes a tracker known by a name.

  Args:
    name: as `--config.tracker` gives it.
    make: takes the workdir and the config.
    package: what it imports that may be missing.
    replace: whether it may take the place of another.
  """
  TRACKERS.register(name, Entry(make, package), replace)


def check(name: str) -> None:
  """Checks that a tracker can be used; an empty name is none.

  Raises:
    ValueError: if there is no such tracker, or its package is not installed.
  """
  if not name:
    return
  package = TRACKERS.find(name).package
  if package and importlib.util.find_spec(package) is None:
    raise ValueError(
      f'tracker is {name!r}, which needs {package}: pip install '
      f"'elth_jax[{name}]'"
    )


def start(name: str, root: Path, config: Mapping[str, Any]) -> Tracker:
  """The tracker of that name, ready for numbers.

  Args:
    name: one that `check` lets pass.
    root: the workdir.
    config: the study's, as JSON has it.
  """
  return TRACKERS[name].make(root, config) if name else NoTracker()
