"""Registries: things by name, such as methods, families or data sets."""

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

from elth_jax.names import unknown

Entry = TypeVar('Entry')


class Registry(Mapping[str, Entry], Generic[Entry]):
  """Named entries, in the order in which they were registered.

  An entry brings along whatever the rest of the library needs of it: what it
  does, its label, how figures draw it.

  Args:
    what: one entry in words, for errors, e.g. `method`.
  """

  def __init__(self, what: str):
    self.what = what
    self._entries: dict[str, Entry] = {}

  def register(self, name: str, entry: Entry) -> Entry:
    """Adds an entry, and returns it.

    Raises:
      ValueError: if the name is taken.
    """
    if name in self._entries:
      raise ValueError(f'there is a {self.what} {name!r} already')
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

  def __iter__(self) -> Iterator[str]:
    return iter(self._entries)

  def __len__(self) -> int:
    return len(self._entries)
