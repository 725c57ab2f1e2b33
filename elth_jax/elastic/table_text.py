"""The published syntax of one stage's table: `0:0;1:1,3;2:2,4`.

An entry says where one source unit goes: `source:target[,target...]`.
"""

import re
from collections.abc import Iterable, Sequence

# (source unit, the target units that copy it), as they are written
Entries = tuple[tuple[int, tuple[int, ...]], ...]

_ENTRY = re.compile(r'\d{1,6}:\d{1,6}(,\d{1,6})*')


def read_entries(text: str) -> Entries:
  """The entries of a text, which need not make a complete table.

  Raises:
    ValueError: naming the entry that cannot be read.
  """
  return tuple(
    _read_entry(entry, text)
    for entry in filter(None, re.sub(r'\s', '', text).split(';'))
  )


def write_entries(entries: Iterable[tuple[int, Sequence[int]]]) -> str:
  """Entries as text; `read_entries` reads it back."""
  return ';'.join(f'{source}:{",".join(map(str, t))}' for source, t in entries)


def entries_of(table: Sequence[int]) -> Entries:
  """The entries of a table, by source unit."""
  targets: dict[int, list[int]] = {}
  for target, source in enumerate(table):
    targets.setdefault(source, []).append(target)
  return tuple((source, tuple(t)) for source, t in sorted(targets.items()))


def table_of(entries: Entries, stage: str) -> tuple[int, ...]:
  """The table that entries fill: target unit t copies unit `table[t]`.

  Raises:
    ValueError: naming the stage, and the target unit that is filled twice or
      not at all.
  """
  filled: dict[int, int] = {}
  for source, targets in entries:
    for target in targets:
      if target in filled:
        raise ValueError(
          f'{stage}: {write_entries(entries)!r} fills target unit {target} '
          'twice'
        )
      filled[target] = source
  for target in range(max(filled, default=0) + 1):
    if target not in filled:
      raise ValueError(
        f'{stage}: {write_entries(entries)!r} leaves target unit {target} empty'
      )
  return tuple(filled[target] for target in range(len(filled)))


def parse_table(text: str, stage: str) -> tuple[int, ...]:
  """The table that a text writes.

  Raises:
    ValueError: naming the stage, and the target unit that is filled twice or
      not at all, or the entry that cannot be read.
  """
  try:
    entries = read_entries(text)
  except ValueError as error:
    raise ValueError(f'{stage}: {error}') from None
  return table_of(entries, stage)


def format_table(table: Sequence[int]) -> str:
  """A table as text; `parse_table` reads it back."""
  return write_entries(entries_of(table))


def _read_entry(entry: str, text: str) -> tuple[int, tuple[int, ...]]:
  if not _ENTRY.fullmatch(entry):
    raise ValueError(
      f'cannot read {entry!r} in {text!r}; write source:target[,target...] '
      'with ; between sources and | between stages'
    )
  source, targets = entry.split(':')
  return int(source), tuple(map(int, targets.split(',')))
