"""The table of one stage: the rules that write it, and its published syntax.

A table is a tuple: target unit t copies source unit table[t]; unit 0 is the
stage's first block. `elastic.Plan` holds one table for each stage.
"""

import operator
import re
from collections.abc import Collection, Sequence
from typing import Literal

Order = Literal['append', 'interpolate']
Units = Collection[int]
ORDERS: tuple[Order, ...] = ('append', 'interpolate')


def stretch_table(
  stage: str, have: int, want: int, order: Order, units: Units | None
) -> tuple[int, ...]:
  """The table that replicates `units` until the stage has `want` units.

  Args:
    stage: its name, for errors.
    have: units of the source, unit 0 included.
    want: units of the target, unit 0 included.
    order: `interpolate` or `append`; see `elastic.stretch_tree`.
    units: the units to replicate, earlier ones first; `None` for all but 0.

  Raises:
    ValueError: naming the stage, if there is no such table.

  References:
    Chen et al. 2021, section 3.2; uneven growth as in the author's commands.
  """
  if want < have:
    raise ValueError(
      f'{stage}: cannot stretch {have} units to {want}; squeeze instead'
    )
  chosen = _check_units(stage, units, have, 'units')
  chosen = list(range(1, have)) if chosen is None else chosen
  if want > have and not chosen:
    raise ValueError(
      f'{stage}: no units to replicate: it has {have} unit(s), and unit 0 is '
      'never replicated'
    )
  rounds, rest = divmod(want - have, len(chosen)) if chosen else (0, 0)
  partial = chosen[:rest]
  table = [0]
  for unit in range(1, have):
    table.append(unit)
    if order == 'interpolate':
      table += [unit] * (rounds * (unit in chosen) + (unit in partial))
    else:  # a group goes right after the last unit that it replicates
      if unit in partial[-1:]:
        table += partial
      if unit in chosen[-1:]:
        table += chosen * rounds
  return tuple(table)


def squeeze_table(
  stage: str,
  have: int,
  want: int,
  keep: Units | None,
  drop: Units | None,
) -> tuple[int, ...]:
  """The table that keeps unit 0 and `want - 1` others, in their order.

  Args:
    stage: its name, for errors.
    have: units of the source, unit 0 included.
    want: units of the target, unit 0 included.
    keep: the units beyond 0 to keep; the earliest if `drop` is `None` too.
    drop: the units to drop, instead of `keep`.

  Raises:
    ValueError: naming the stage, if there is no such table.
  """
  if not 1 <= want <= have:
    raise ValueError(
      f'{stage}: cannot squeeze {have} units to {want}; '
      + ('stretch instead' if want > have else 'unit 0 always stays')
    )
  kept = _check_units(stage, keep, have, 'keep')
  dropped = _check_units(stage, drop, have, 'drop')
  if dropped is not None:
    kept = [unit for unit in range(1, have) if unit not in dropped]
  elif kept is None:
    kept = list(range(1, want))
  if len(kept) != want - 1:
    raise ValueError(
      f'{stage}: keeping units {kept} beyond unit 0 leaves {len(kept) + 1} '
      f'units, not {want}'
    )
  return (0, *kept)


def _check_units(
  stage: str, units: Units | None, have: int, what: str
) -> list[int] | None:
  if units is None:
    return None
  numbers = [operator.index(unit) for unit in units]
  if isinstance(units, Sequence) and numbers != sorted(set(numbers)):
    raise ValueError(
      f'{stage}: {what} {tuple(numbers)} must be in increasing order without '
      'repetition; write another order as a Plan'
    )
  if unknown := [unit for unit in numbers if not 1 <= unit < have]:
    raise ValueError(
      f'{stage}: {what} names {unknown}, but units 1 to {have - 1} are there '
      'to choose from'
    )
  return sorted(numbers)


def parse_table(text: str, stage: str) -> tuple[int, ...]:
  """Reads one stage of the published syntax, `src:dst[,dst...];...`.

  Raises:
    ValueError: naming the stage, and the target unit that is filled twice or
      not at all, or the entry that cannot be read.
  """
  filled: dict[int, int] = {}
  for entry in filter(None, re.sub(r'\s', '', text).split(';')):
    if not re.fullmatch(r'\d+:\d+(,\d+)*', entry):
      raise ValueError(
        f'{stage}: cannot read {entry!r} in {text!r}; '
        'write source:target[,target...] with ; between sources'
      )
    source, targets = entry.split(':')
    for target in map(int, targets.split(',')):
      if target in filled:
        raise ValueError(f'{stage}: {text!r} fills target unit {target} twice')
      filled[target] = int(source)
  if empty := set(range(max(filled, default=0) + 1)) - filled.keys():
    raise ValueError(f'{stage}: {text!r} leaves target unit {min(empty)} empty')
  return tuple(filled[target] for target in range(len(filled)))


def format_table(table: Sequence[int]) -> str:
  """One stage in the published syntax; `parse_table` reads it back."""
  targets: dict[int, list[str]] = {}
  for target, source in enumerate(table):
    targets.setdefault(source, []).append(str(target))
  return ';'.join(f'{s}:{",".join(t)}' for s, t in sorted(targets.items()))
