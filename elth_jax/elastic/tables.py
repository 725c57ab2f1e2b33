"""The table of one stage, as the rules of the papers make it.

A table is a tuple: target unit t copies source unit table[t]. The first
`fixed` units of a stage stay where they are: one in the papers, where unit 0
changes the shape. `plan.Plan` holds one table for each stage.
"""

import operator
from collections.abc import Collection, Iterable, Sequence, Set
from typing import Literal

Order = Literal['append', 'interpolate']
UnitNumbers = Collection[int]
ORDERS: tuple[Order, ...] = ('append', 'interpolate')


def stretch_table(
  stage: str,
  have: int,
  want: int,
  order: Order,
  units: UnitNumbers | None,
  fixed: int = 1,
) -> tuple[int, ...]:
  """The table that replicates `units` until the stage has `want` units.

  Args:
    stage: its name, for errors.
    have: units of the source, fixed ones included.
    want: units of the target, fixed ones included.
    order: `interpolate` or `append`; see `stretch.stretch_tree`.
    units: the units to replicate, earlier ones first; `None` for all that are
      not fixed.
    fixed: units at the start that are never replicated.

  Raises:
    ValueError: naming the stage, if there is no such table.

  References:
    Chen et al. 2021, section 3.2; uneven growth as in the author's commands.
  """
  if want < have:
    raise ValueError(
      f'{stage}: cannot stretch {have} units to {want}; squeeze instead'
    )
  fixed = min(fixed, have)
  chosen = _check_units(stage, units, have, fixed, 'units')
  chosen = list(range(fixed, have)) if chosen is None else chosen
  if want > have and not chosen:
    raise ValueError(
      f'{stage}: no units to replicate: it has {have} unit(s), and the first '
      f'{fixed} never are'
    )
  rounds, rest = divmod(want - have, len(chosen)) if chosen else (0, 0)
  partial = chosen[:rest]
  table = list(range(fixed))
  for unit in range(fixed, have):
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
  keep: UnitNumbers | None,
  drop: UnitNumbers | None,
  fixed: int = 1,
) -> tuple[int, ...]:
  """The table that keeps the fixed units and some others, in their order.

  Args:
    stage: its name, for errors.
    have: units of the source, fixed ones included.
    want: units of the target, fixed ones included.
    keep: the units to keep beyond the fixed; the earliest if `drop` is `None`
      too.
    drop: the units to drop, instead of `keep`.
    fixed: units at the start that are never dropped.

  Raises:
    ValueError: naming the stage, if there is no such table.
  """
  fixed = min(fixed, have)
  if not max(1, fixed) <= want <= have:
    raise ValueError(
      f'{stage}: cannot squeeze {have} units to {want}; '
      + (
        'stretch instead'
        if want > have
        else f'unit {max(1, fixed) - 1} always stays'
      )
    )
  kept = _check_units(stage, keep, have, fixed, 'keep')
  dropped = _check_units(stage, drop, have, fixed, 'drop')
  if dropped is not None:
    kept = [unit for unit in range(fixed, have) if unit not in dropped]
  elif kept is None:
    kept = list(range(fixed, want))
  if len(kept) != want - fixed:
    raise ValueError(
      f'{stage}: keeping units {kept} beyond the first {fixed} leaves '
      f'{len(kept) + fixed} units, not {want}'
    )
  return (*range(fixed), *kept)


def reorder_table(
  stage: str, have: int, order: Sequence[int], fixed: int = 1
) -> tuple[int, ...]:
  """The table that puts the units beyond the fixed into another order.

  Raises:
    ValueError: naming the stage, if `order` is no permutation of them.
  """
  numbers = whole_numbers(order, f'{stage}: order')
  if sorted(numbers) != list(range(fixed, have)):
    raise ValueError(
      f'{stage}: {tuple(numbers)} is no order of units {fixed} to {have - 1}'
    )
  return (*range(fixed), *numbers)


def overlap_table(
  stage: str, have: int, want: int, fixed: int = 1
) -> tuple[int, ...]:
  """Depth up-scaling: the first units, then the last, overlapping in between.

  With n units beyond the fixed and m wanted (n <= m <= 2 n), the first
  ceil(m / 2) of them are followed by the last floor(m / 2).

  Raises:
    ValueError: naming the stage, if two ranges cannot make `want` units.

  References:
    Kim et al., SOLAR 10.7B: Depth Up-Scaling, 2024 (n = 32, m = 48).
  """
  fixed = min(fixed, have)
  movable, wanted = have - fixed, want - fixed
  if not movable <= wanted <= 2 * movable:
    raise ValueError(
      f'{stage}: two overlapping ranges of {movable} units beyond the first '
      f'{fixed} make {movable} to {2 * movable} units, not {wanted}'
    )
  first = range(fixed, fixed + (wanted + 1) // 2)
  return (*range(fixed), *first, *range(have - wanted // 2, have))


def whole_numbers(values: Iterable[int], what: str) -> list[int]:
  """The values as ints; `ValueError` if they are anything else."""
  try:
    return [operator.index(value) for value in values]
  except TypeError:
    raise ValueError(f'{what}: {values!r} are not whole numbers') from None


def _check_units(
  stage: str, units: UnitNumbers | None, have: int, fixed: int, what: str
) -> list[int] | None:
  if units is None:
    return None
  numbers = whole_numbers(units, f'{stage}: {what}')
  if not isinstance(units, Set) and numbers != sorted(set(numbers)):
    raise ValueError(
      f'{stage}: {what} {tuple(numbers)} must be in increasing order without '
      'repetition; write another order as a Plan'
    )
  if unknown := [unit for unit in numbers if not fixed <= unit < have]:
    raise ValueError(
      f'{stage}: {what} names {unknown}, but units {fixed} to {have - 1} are '
      'there to choose from'
    )
  return sorted(numbers)
