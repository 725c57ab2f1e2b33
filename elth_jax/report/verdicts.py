"""Whether what a study found supports what a paper claims."""

import dataclasses
import math
from collections.abc import Iterable, Sequence

from elth_jax.report.comparison import (
  LEVEL,
  Comparison,
  Verdict,
  contrast,
  sparsity_note,
  two_sided,
)
from elth_jax.report.mixed_model import mixed_model
from elth_jax.report.pairs import items, matches
from elth_jax.report.summary import Cell
from elth_jax.statistics import Difference, holm, replicates_needed
from elth_jax.study.claims import Claim
from elth_jax.study.published import Published
from elth_jax.study.scope import PAPERS_FRACTION
from elth_jax.study.sides import Side
from elth_jax.study.spec import Paper

# arms that no paper has -> what they are called
ADDED_ARMS = {
  'ett_matched': 'matched',
  'dense_longer': 'equal budget',
  'random_longer': 'equal budget',
}


@dataclasses.dataclass(frozen=True)
class Judgement:
  """One claim, tested.

  A pair is a target, a level and a match of both sides. `>` is a two-sided
  test at 5%, of the mean over pairs, or with `everywhere` of each pair: all of
  them must support it. `>=` is a one-sided test, likewise. Neither is supported
  if a pair alone contradicts it. `~` is two one-sided tests at 5% of each pair,
  as if `everywhere` were said.

  Attributes:
    claim: what was claimed.
    pairs: each pair's own comparison.
    test: the mean over pairs, in points.
    p_for: that the claim does not hold, corrected for the claims beside it;
      below 0.05 it is supported.
    p_against: that it does, likewise; below 0.05 it is contradicted.
    needed: how many replicates would decide it, given the mean and the spread
      found; `None` if it is decided, or nobody can tell.
    mixed: what a mixed model finds, or why there is none; empty with few
      replicates, and where a network stands at several levels.
  """

  claim: Claim
  pairs: tuple[Comparison, ...]
  test: Difference
  p_for: float
  p_against: float
  needed: int | None = None
  mixed: str = ''

  @property
  def difference(self) -> float:
    """Mean over pairs, in points."""
    return self.test.mean

  @property
  def confidence(self) -> float:
    """Of the interval that the test corresponds to: 95%, or 90%."""
    return 1 - LEVEL if self.claim.relation == '>' else 1 - 2 * LEVEL

  @property
  def margin(self) -> float:
    """Half the width of that interval; infinite for one replicate."""
    return self.test.margin(self.confidence)

  @property
  def worst(self) -> Comparison:
    """The pair that is furthest from what is claimed."""
    if self.claim.relation == '~':
      return max(self.pairs, key=lambda pair: abs(pair.difference))
    return min(self.pairs, key=lambda pair: pair.difference)

  @property
  def sparsity(self) -> str:
    """Whether elastic tickets are compared at one sparsity."""
    return sparsity_note(self.pairs)

  @property
  def decided_alone(self) -> bool:
    """Whether it is undecided because of the claims beside it.

    Intervals are not corrected for them, so they may exclude what the
    corrected test does not.
    """
    tests = [pair.test.times(100) for pair in self.pairs]
    alone = min(_evidence(self.claim, self.test, tests))
    return alone < LEVEL <= min(self.p_for, self.p_against)

  @property
  def verdict(self) -> Verdict:
    if min(self.p_for, self.p_against) >= LEVEL:
      return 'undecided'
    if self.p_against < self.p_for:
      return 'contradicted'
    if self.claim.relation == '~' or self.claim.everywhere:
      return 'supported'
    alone = any(_contradicts(pair, self.claim) for pair in self.pairs)
    return 'undecided' if alone else 'supported'

  @property
  def pair_contradicts(self) -> bool:
    """Whether a pair contradicts what is supported on average."""
    decided = min(self.p_for, self.p_against) < LEVEL
    return decided and self.verdict == 'undecided'

  @property
  def at_chance(self) -> int:
    """How many of its networks are no better than chance."""
    cells = {id(c): c for p in self.pairs for c in (p.better, p.worse)}
    return sum(cell.at_chance for cell in cells.values())


def _contradicts(pair: Comparison, claim: Claim) -> bool:
  """Whether a pair alone says the opposite of what is claimed on average."""
  if claim.relation == '>':
    return pair.verdict == 'contradicted'
  return pair.test.times(100).p_below(-(claim.within or 0.0)) < LEVEL


def judge_all(
  paper: Paper, found: Sequence[Cell], fraction: float = PAPERS_FRACTION
) -> list[tuple[Claim, Judgement | None]]:
  """Every claim of a paper, tested; `None` where no pair was trained.

  P-values hold for all claims of the paper together (Holm), and apart from
  them for all of arms that no paper has.

  Args:
    paper: what it claims.
    found: the cells of a study.
    fraction: of the remaining weights that its levels prune.
  """
  judged = [judge(claim, found, fraction) for claim in paper.claims]
  for added in (False, True):
    _correct(
      judged,
      [
        number
        for number, one in enumerate(judged)
        if one and bool(added_arm(one.claim)) == added
      ],
    )
  return list(zip(paper.claims, judged, strict=True))


def added_arm(claim: Claim) -> str:
  """What a claim is about that no paper has; empty if it is the paper's."""
  for side in (claim.one, claim.other):
    if isinstance(side, Side) and side.method in ADDED_ARMS:
      return ADDED_ARMS[side.method]
  return ''


def _correct(judged: list[Judgement | None], numbers: Sequence[int]) -> None:
  """Makes the p-values of some claims hold for all of them (Holm)."""
  found = {n: one for n in numbers if (one := judged[n])}
  corrected = holm([min(one.p_for, one.p_against) for one in found.values()])
  for number, p in zip(found, corrected, strict=True):
    found[number] = _corrected(found[number], p)
  undecided = sum(one.verdict == 'undecided' for one in found.values())
  for number, one in found.items():
    judged[number] = _with_needed(one, undecided)


def judge(
  claim: Claim, found: Sequence[Cell], fraction: float = PAPERS_FRACTION
) -> Judgement | None:
  """Tests a claim alone; `None` if the study trained no pair that it speaks of.

  Args:
    claim: what is claimed.
    found: the cells of a study.
    fraction: of the remaining weights that its levels prune.
  """
  weighted = list(items(claim, found, fraction))
  pairs = tuple(
    Comparison(weights[0][1], weights[1][1], test, two_sided(test))
    for weights in weighted
    if not math.isnan((test := contrast(weights)).mean)
  )
  if not pairs:
    return None
  share = 1 / len(weighted)
  total = contrast([(share * w, cell) for item in weighted for w, cell in item])
  if math.isnan(total.mean):
    return None
  total = total.times(100)
  tests = [pair.test.times(100) for pair in pairs]
  p_for, p_against = _evidence(claim, total, tests)
  judged = Judgement(claim, pairs, total, p_for, p_against)
  judged = dataclasses.replace(judged, mixed=mixed_model(claim, pairs))
  return _with_needed(judged, 1)


def _with_needed(judged: Judgement, claims: int) -> Judgement:
  """With how many replicates would decide it, as one of so many undecided."""
  tests = [pair.test.times(100) for pair in judged.pairs]
  needed = None
  if judged.verdict == 'undecided' and not judged.pair_contradicts:
    needed = _needed(judged.claim, judged.test, tests, claims)
  return dataclasses.replace(judged, needed=needed)


def _corrected(judged: Judgement, p: float) -> Judgement:
  """With the smaller of its p-values corrected, and the other at least so."""
  return dataclasses.replace(
    judged,
    p_for=p if judged.p_for <= judged.p_against else max(p, judged.p_for),
    p_against=p
    if judged.p_against < judged.p_for
    else max(p, judged.p_against),
  )


def _evidence(
  claim: Claim, total: Difference, tests: Sequence[Difference]
) -> tuple[float, float]:
  """P-values for and against a claim, each to be compared with 5%."""
  count = len(tests)
  if claim.relation == '~':
    bound = claim.within or 0.0
    against = min(test.p_outside(bound) for test in tests)
    return max(test.p_within(bound) for test in tests), min(1, count * against)
  bound, sides = claim.by, 2  # as a two-sided test
  if claim.relation == '>=':
    bound, sides = -(claim.within or 0.0), 1
  if not claim.everywhere:
    tests, count = [total], 1
  return (
    min(1.0, sides * max(test.p_above(bound) for test in tests)),
    min(1.0, sides * count * min(test.p_below(bound) for test in tests)),
  )


def _needed(
  claim: Claim, total: Difference, tests: Sequence[Difference], claims: int = 1
) -> int | None:
  """How many replicates would decide a claim; `None` if nobody can tell.

  Where each pair is tested: the fewest for a pair that contradicts it, or if
  there is none, the most for a pair that supports it.

  Args:
    claim: what is claimed.
    total: the mean over pairs, in points.
    tests: the pairs.
    claims: how many are undecided, for which Holm corrects.
  """
  level = LEVEL / claims
  within = claim.relation == '~'
  bound = claim.by if claim.within is None else claim.within
  bound = -bound if claim.relation == '>=' else bound
  level = level / 2 if claim.relation == '>' else level
  if not (within or claim.everywhere):
    return replicates_needed(total, bound, level=level)
  against = [
    test
    for test in tests
    if (abs(test.mean) > bound if within else test.mean < bound)
  ]
  if against:
    level /= 2 * len(tests) if within else len(tests)
    needed = [replicates_needed(t, bound, within, level) for t in against]
    return min((n for n in needed if n is not None), default=None)
  needed = [replicates_needed(test, bound, within, level) for test in tests]
  known = [number for number in needed if number is not None]
  return max(known) if len(known) == len(needed) else None


def beside(
  published: Iterable[Published],
  found: Sequence[Cell],
  fraction: float = PAPERS_FRACTION,
) -> list[tuple[Published, Cell | None]]:
  """Every published number with the cell that answers it, if there is one."""
  return [
    (
      number,
      next(
        (
          cell
          for cell in found
          if cell.target == number.target
          and cell.level == number.level_in(fraction)
          and matches(number.side, cell)
        ),
        None,
      ),
    )
    for number in published
  ]
