"""Registries: things by name, such as methods, families or data sets."""

import importlib
import importlib.util
import pkgutil
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from types import ModuleType
from typing import Generic, TypeVar

from elth_jax.names import unknown

Entry = TypeVar('Entry')


class Registry(MutableMapping[str, Entry], Generic[Entry]):
  """Named entries, in the order in which they were registered.

  An entry brings along whatever the rest of the library needs of it: what it
  does, its label, how figures draw it. `register` refuses a name that is
  taken; `registry[name] = entry` and `del registry[name]` are those of a dict,
  for tests that put an entry in the place of another.

  Args:
    what: one entry in words, for errors, e.g. `method`.
  """

  def __init__(self, what: str):
    self.what = what
    self._entries: dict[str, Entry] = {}

  def register(self, name: str, entry: Entry, replace: bool = False) -> Entry:
    """Adds an entry, and returns it.

    Args:
      name: of the entry.
      entry: what is found by that name.
      replace: whether it may take the place of another, as when a notebook's
        cell runs again.

    Raises:
      ValueError: if the name is taken and `replace` is false.
    """
    if name in self._entries and not replace:
      raise ValueError(
        f'there is a {self.what} {name!r} already; give another name, or '
        'replace=True'
      )
    self._entries[name] = entry
    return entry

  def find(self, name: str) -> Entry:
    """The entry of that name.

    Raises:
      ValueError: if there is none; names the nearest, and all.
    """
    if name not in self._entries:
      raise ValueError(unknown(self.what, name, self._entries))
    return self._entries[name]

  def __getitem__(self, name: str) -> Entry:
    return self._entries[name]

  def __setitem__(self, name: str, entry: Entry) -> None:
    self._entries[name] = entry

  def __delitem__(self, name: str) -> None:
    del self._entries[name]

  def __iter__(self) -> Iterator[str]:
    return iter(self._entries)

  def __len__(self) -> int:
    return len(self._entries)


def modules_when_used(package: str) -> Callable[[str], ModuleType]:
  """The `__getattr__` of a package whose modules are imported when named."""

  def find_module(name: str) -> ModuleType:
    full = f'{package}.{name}'
    if name.startswith('_') or importlib.util.find_spec(full) is None:
      raise AttributeError(f'module {package!r} has no attribute {name!r}')
    return importlib.import_module(full)

  return find_module


def import_modules(package: str, path: Iterable[str]) -> None:
  """Imports every module of a package, so that its entries are registered.

  A new entry is then one new file. Packages within the package are not
  imported.

  Args:
    package: its name, `__name__` in its `__init__.py`.
    path: its folders, `__path__` there.
  """
  for module in pkgutil.iter_modules(path):
    if not module.ispkg:
      importlib.import_module(f'{package}.{module.name}')
