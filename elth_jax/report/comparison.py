"""Differences between cells, and what they support."""

import dataclasses
import math
from collections.abc import Iterable, Sequence
from typing import Literal

from elth_jax.families import pretty
from elth_jax.methods import METHODS
from elth_jax.report.summary import Cell
from elth_jax.statistics import Difference, holm, sum_of_means

Verdict = Literal['supported', 'contradicted', 'undecided']
LEVEL = 0.05  # of all tests: a chance of error of 5%
SAME_SPARSITY = 5e-4  # tickets this near are called matched
Weights = Sequence[tuple[float, Cell]]


@dataclasses.dataclass(frozen=True)
class Comparison:
  """Whether one method is more accurate than another.

  Attributes:
    better: the cell that is claimed to be better.
    worse: the other one, of the same target and level.
    test: of the difference in accuracy, 0 to 1; see `contrast`.
    p: two-sided, of no difference; corrected where there are several.
  """

  better: Cell
  worse: Cell
  test: Difference
  p: float

  @property
  def difference(self) -> float:
    """Mean over replicates, as a share."""
    return self.test.mean

  @property
  def margin(self) -> float:
    """Half the width of the 95% interval; infinite for one replicate."""
    return self.test.margin()

  @property
  def decided_alone(self) -> bool:
    """Whether it is undecided because of the comparisons beside it.

    The margin is not corrected for them, so that its interval excludes 0.
    """
    return two_sided(self.test) < LEVEL <= self.p

  @property
  def verdict(self) -> Verdict:
    """`supported` where the difference is above 0, `contradicted` below."""
    if self.p >= LEVEL:
      return 'undecided'
    return 'supported' if self.test.mean > 0 else 'contradicted'


def compare(better: Cell, worse: Cell) -> Comparison:
  """The difference of two cells, paired if both go back to one ticket."""
  test = contrast([(1.0, better), (-1.0, worse)])
  return Comparison(better, worse, test, two_sided(test))


def two_sided(test: Difference, bound: float = 0.0) -> float:
  """P of a two-sided test that the difference is `bound`."""
  return min(1.0, 2 * min(test.p_above(bound), test.p_below(bound)))


def contrast(weights: Weights) -> Difference:
  """A weighted sum of cells' means.

  Cells of one ticket (`Cell.ticket`) are paired over the replicates that all
  of them have; others are independent samples of perhaps unequal variance.
  Diverged replicates count as 0. A mean of NaN if there are no replicates.
  The variance is at least that of rounding accuracies to whole test images.

  Args:
    weights: weight and cell.
  """
  clusters: dict[str, list[tuple[float, Cell]]] = {}
  known = 0.0
  for weight, cell in _each_once(weights):
    if cell.exact:
      known += weight * cell.mean
    else:
      clusters.setdefault(cell.ticket, []).append((weight, cell))
  samples, least = [], []
  for cluster in clusters.values():
    shared = set.intersection(*(set(cell.outcomes) for _, cell in cluster))
    if not shared:
      return Difference(math.nan, math.inf, 0.0, 0)
    samples.append(
      [sum(w * c.outcomes[r] for w, c in cluster) for r in sorted(shared)]
    )
    least.append(sum((w * c.resolution) ** 2 / 12 for w, c in cluster))
  return sum_of_means(samples, known, least)


def _each_once(weights: Weights) -> list[tuple[float, Cell]]:
  """The weight of every cell in all, where one is compared with several."""
  totals: dict[int, tuple[float, Cell]] = {}
  for weight, cell in weights:
    before, _ = totals.get(id(cell), (0.0, cell))
    totals[id(cell)] = before + weight, cell
  return list(totals.values())


def claims(found: Sequence[Cell]) -> list[Comparison]:
  """The orderings that E-LTH claims, wherever both sides were trained.

  IMP and every ETT against Reinit, Random and one-shot pruning, on each target
  at each level; p-values hold for all of them together (Holm).
  """
  pairs = [
    compare(better, worse)
    for better in found
    if better.method in ('imp', 'ett')
    for worse in found
    if worse.method in METHODS
    and METHODS[worse.method].claimed_worse
    and (worse.target, worse.level) == (better.target, better.level)
  ]
  corrected = holm([pair.p for pair in pairs])
  return [
    dataclasses.replace(pair, p=p)
    for pair, p in zip(pairs, corrected, strict=True)
  ]


def transfers(found: Sequence[Cell]) -> dict[tuple[str, str], Comparison]:
  """(origin, target) -> its elastic ticket against the target's own IMP.

  Both as people read them.

  At the last level at which both were trained; of several orders, the first.
  """
  own = {(c.target, c.level): c for c in found if c.method == 'imp'}
  moved = [
    cell
    for cell in found
    if cell.method == 'ett' and (cell.target, cell.level) in own
  ]
  last = max((cell.level for cell in moved), default=0)
  matrix: dict[tuple[str, str], Comparison] = {}
  for cell in moved:
    if cell.level == last:
      pair = cell.origin, pretty(cell.target)
      matrix.setdefault(pair, compare(cell, own[cell.target, last]))
  return matrix


def sparsity_note(pairs: Iterable[Comparison]) -> str:
  """Whether elastic tickets are compared at one sparsity, in words.

  Returns:
    `matched`; or the sparsities that are furthest apart; or nothing, where no
    elastic ticket is compared with another sparse network.
  """
  apart = []
  for pair in pairs:
    sides = pair.better, pair.worse
    elastic = any(
      c.method in METHODS and METHODS[c.method].from_source for c in sides
    )
    one, other = (cell.sparsity for cell in sides)
    if elastic and one > 0 and other > 0:  # neither dense nor unknown
      apart.append((abs(one - other), one, other))
  if not apart:
    return ''
  distance, one, other = max(apart)
  if distance <= SAME_SPARSITY:
    return 'matched'
  return f'{100 * one:.1f}% against {100 * other:.1f}%'
