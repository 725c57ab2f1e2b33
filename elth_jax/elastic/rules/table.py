"""Tables in the published syntax, as parts of a rule."""

import dataclasses
from collections.abc import Callable

from elth_jax.elastic.table_text import (
  Entries,
  read_entries,
  table_of,
  write_entries,
)


@dataclasses.dataclass(frozen=True)
class Table:
  """One stage's table as the published code writes it: `0:0;1:1,2;2:3`.

  How a family's authors count units is known to the family alone, so a table
  need not be complete.

  Attributes:
    entries: (source unit, the target units that copy it), as written.
  """

  entries: Entries

  @classmethod
  def parse(cls, text: str) -> 'Table':
    """Reads the published syntax of one stage.

    Raises:
      ValueError: naming the entry that cannot be read.
    """
    return cls(read_entries(text))

  def __str__(self) -> str:
    return write_entries(self.entries)

  @property
  def numbers(self) -> tuple[int, ...]:
    """All numbers that the table names, of source and target units."""
    return tuple(n for one, targets in self.entries for n in (one, *targets))

  def renumbered(self, change: Callable[[int], int]) -> 'Table':
    """The table with every number changed."""
    return Table(
      tuple(
        (change(one), tuple(map(change, targets)))
        for one, targets in self.entries
      )
    )

  def complete(self, stage: str) -> tuple[int, ...]:
    """The source unit of every target unit.

    Raises:
      ValueError: naming the stage, and the target unit that is filled twice
        or not at all.
    """
    return table_of(self.entries, stage)
