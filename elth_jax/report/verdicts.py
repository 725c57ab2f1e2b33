"""Whether what a study found supports what a paper claims."""

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np

from elth_jax.report.summary import (
  Cell,
  Comparison,
  Verdict,
  compare,
  interval,
)
from elth_jax.study.claims import Claim
from elth_jax.study.published import Published
from elth_jax.study.sides import Side
from elth_jax.study.spec import Paper


@dataclasses.dataclass(frozen=True)
class Judgement:
  """One claim, tested.

  The test: for every replicate, the mean over pairs (one for each target,
  level and match of both sides) of the difference in accuracy; then a 95%
  interval of Student's t over replicates. `>` is supported if the interval
  lies above 0 and no pair alone contradicts it, contradicted if it lies below
  0; `~` is supported if it lies within the points given, contradicted if it
  lies outside them; all else is undecided.

  Attributes:
    claim: what was claimed.
    pairs: each pair's own comparison.
    difference: mean over replicates, in points.
    margin: half the width of its interval; infinite for one replicate.
    verdict: of the claim.
  """

  claim: Claim
  pairs: tuple[Comparison, ...]
  difference: float
  margin: float
  verdict: Verdict


def judge_all(
  paper: Paper, found: Sequence[Cell]
) -> list[tuple[Claim, Judgement | None]]:
  """Every claim of a paper, tested; `None` where no pair was trained."""
  return [(claim, judge(claim, found)) for claim in paper.claims]


def judge(claim: Claim, found: Sequence[Cell]) -> Judgement | None:
  """Tests a claim; `None` if the study trained no pair that it speaks of."""
  pairs = [
    compare(one, other)
    for one in found
    for other in found
    if _speaks_of(claim, one, other)
  ]
  if claim.highest:
    last = max((_level(pair) for pair in pairs), default=0)
    pairs = [pair for pair in pairs if _level(pair) == last]
  if not pairs:
    return None
  shared = sorted(
    set.intersection(
      *(
        pair.better.accuracy.keys() & pair.worse.accuracy.keys()
        for pair in pairs
      )
    )
  )
  if not shared:
    return None
  differences = [
    float(
      100 * np.mean([p.better.accuracy[r] - p.worse.accuracy[r] for p in pairs])
    )
    for r in shared
  ]
  mean, margin = interval(differences)
  return Judgement(
    claim, tuple(pairs), mean, margin, _verdict(claim, pairs, mean, margin)
  )


def _level(pair: Comparison) -> int:
  return max(pair.better.level, pair.worse.level)


def _verdict(
  claim: Claim, pairs: Sequence[Comparison], mean: float, margin: float
) -> Verdict:
  if claim.within is not None:
    if abs(mean) + margin <= claim.within:
      return 'supported'
    return 'contradicted' if abs(mean) - margin > claim.within else 'undecided'
  if mean < -margin:
    return 'contradicted'
  alone = any(pair.verdict == 'contradicted' for pair in pairs)
  return 'supported' if mean > margin and not alone else 'undecided'


def _speaks_of(claim: Claim, one: Cell, other: Cell) -> bool:
  if one.target != other.target or one is other:
    return False
  levels = {cell.level for cell in (one, other) if cell.method != 'dense'}
  return (
    len(levels) < 2
    and (not claim.levels or levels <= set(claim.levels))
    and (not claim.targets or one.target in claim.targets)
    and _is(claim.one, one)
    and _is(claim.other, other)
  )


def beside(
  published: Iterable[Published], found: Sequence[Cell]
) -> list[tuple[Published, Cell | None]]:
  """Every published number with the cell that answers it, if there is one."""
  return [
    (
      number,
      next(
        (
          cell
          for cell in found
          if (cell.target, cell.level) == (number.target, number.level)
          and _is(number.side, cell)
        ),
        None,
      ),
    )
    for number in published
  ]


def _is(side: Side, cell: Cell) -> bool:
  return side.matches(cell.method, cell.order, cell.source, cell.dataset)
