"""Which cells of a study a claim speaks of."""

import math
from collections.abc import Iterator, Sequence

from elth_jax.report.comparison import Weights
from elth_jax.report.summary import Cell
from elth_jax.study import scope
from elth_jax.study.claims import Claim
from elth_jax.study.sides import Side


def items(
  claim: Claim, found: Sequence[Cell], fraction: float
) -> Iterator[Weights]:
  """The cells of each pair with their weights; the two sides come first."""
  pairs = list(_pairs(claim, found, fraction, claim.targets))
  if claim.growing:
    yield from _growth(pairs)
  elif claim.against:
    there = list(_pairs(claim, found, fraction, (claim.against,)))
    for one, other in pairs:
      beside = [
        pair for pair in there if level_of(pair) == level_of((one, other))
      ]
      if beside:
        share = 1 / len(beside)
        back = [
          weight for a, b in beside for weight in ((-share, a), (share, b))
        ]
        yield [(1.0, one), (-1.0, other), *back]
  else:
    for one, other in pairs:
      yield [(1.0, one), (-1.0, other)]


def _growth(pairs: Sequence[tuple[Cell, Cell]]) -> Iterator[Weights]:
  """Each pair at its highest level, less the same at its lowest."""
  groups: dict[tuple[str, str, str], list[tuple[Cell, Cell]]] = {}
  for one, other in pairs:
    identity = one.target, one.label, other.label
    groups.setdefault(identity, []).append((one, other))
  for group in groups.values():
    low, high = min(group, key=level_of), max(group, key=level_of)
    if level_of(low) < level_of(high):
      yield [(1.0, high[0]), (-1.0, high[1]), (-1.0, low[0]), (1.0, low[1])]


def _pairs(
  claim: Claim,
  found: Sequence[Cell],
  fraction: float,
  targets: Sequence[str],
) -> list[tuple[Cell, Cell]]:
  """What matches both sides of a claim on some targets; on all if empty."""
  wanted = _levels(claim, found, fraction)
  pairs = [
    (one, other)
    for one in found
    if matches(claim.one, one) and (not targets or one.target in targets)
    for other in _others(claim, one, found)
    if _common_level(one, other) in wanted
  ]
  last = max(map(level_of, pairs), default=0)
  return [p for p in pairs if not claim.highest or level_of(p) == last]


def _others(claim: Claim, one: Cell, found: Sequence[Cell]) -> list[Cell]:
  if isinstance(claim.other, Side):
    return [
      cell
      for cell in found
      if cell.target == one.target
      and cell is not one
      and matches(claim.other, cell)
    ]
  value = {0: claim.other / 100}
  label = f'{claim.other:g}'
  number = Cell(one.target, label, '', one.level, math.nan, value, exact=True)
  return [number]


def _levels(claim: Claim, found: Sequence[Cell], fraction: float) -> set[int]:
  """The levels that a claim speaks of; 0 is that of dense networks alone."""
  if claim.sparsities:
    near = {scope.level_at(s, fraction) for s in claim.sparsities}
    return {level for level in near if level is not None}
  if claim.levels:
    return set(claim.levels)
  return {
    cell.level
    for cell in found
    if claim.above <= scope.sparsity_of(cell.level, fraction) + 1e-9
    and scope.sparsity_of(cell.level, fraction) - 1e-9 <= claim.below
  }


def level_of(pair: tuple[Cell, Cell]) -> int:
  return max(cell.level for cell in pair)


def _common_level(one: Cell, other: Cell) -> int | None:
  """The level of two cells; dense networks stand beside every level."""
  levels = {c.level for c in (one, other) if not _is_dense(c)}
  if len(levels) > 1:
    return None
  return levels.pop() if levels else 0


def _is_dense(cell: Cell) -> bool:
  return cell.method == 'dense' or cell.method.endswith('_dense')


def matches(side: Side, cell: Cell) -> bool:
  found_on = cell.dataset or cell.home
  return side.matches(cell.method, cell.order, cell.source, found_on)
