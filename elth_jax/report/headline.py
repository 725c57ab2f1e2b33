"""What a study found first of all: elastic tickets against IMP, in words."""

import dataclasses
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from elth_jax.families import pretty
from elth_jax.process.text import counted
from elth_jax.report.comparison import (
  LEVEL,
  SAME_SPARSITY,
  Comparison,
  Verdict,
  compare,
  contrast,
)
from elth_jax.report.styles import Series
from elth_jax.report.summary import Cell, method_label
from elth_jax.statistics import Difference

ELASTIC = ('ett', 'ett_matched')
MOST_ARMS = 4  # of which the conclusion speaks
WORDS: Mapping[Verdict, str] = {
  'supported': 'ahead',
  'contradicted': 'behind',
  'undecided': 'undecided',
}


@dataclasses.dataclass(frozen=True)
class Arm:
  """One method against another, over targets and levels.

  Attributes:
    name: of the method, with its source where it has one alone.
    baseline: what it is compared with.
    pairs: each target and level; p holds for all pairs of all arms together.
    total: the mean over pairs, in points.
  """

  name: str
  baseline: str
  pairs: tuple[Comparison, ...]
  total: Difference

  @property
  def matched(self) -> bool:
    """Whether both sides have the same sparsity everywhere."""
    return all(
      abs(pair.better.sparsity - pair.worse.sparsity) <= SAME_SPARSITY
      for pair in self.pairs
    )


@dataclasses.dataclass(frozen=True)
class Headline:
  """The comparison that a page opens with.

  Attributes:
    arms: one for each method; empty if there is nothing to compare.
  """

  arms: tuple[Arm, ...]

  @property
  def pairs(self) -> list[tuple[Arm, Comparison]]:
    """All pairs, by target and level."""
    targets = dict.fromkeys(p.better.target for a in self.arms for p in a.pairs)
    order = list(targets)
    return sorted(
      ((arm, pair) for arm in self.arms for pair in arm.pairs),
      key=lambda one: (order.index(one[1].better.target), one[1].better.level),
    )

  @property
  def confidence(self) -> float:
    """Of each pair's interval: 95% for all pairs together (Bonferroni)."""
    return 1 - LEVEL / max(1, len(self.pairs))

  def margin(self, pair: Comparison) -> float:
    """Half the width of a pair's interval, in points."""
    return 100 * pair.test.margin(self.confidence)

  def sentences(self) -> list[str]:
    """The conclusion."""
    return list(_sentences(self))


def headline(found: Sequence[Cell], series: Mapping[str, Series]) -> Headline:
  """ETT against IMP; where there is no ETT, every method against IMP.

  Where there is no IMP either, every method against the dense network.

  Args:
    found: the cells of a study.
    series: label -> its line.
  """
  alive = [cell for cell in found if cell.outcomes]
  imp = {(c.target, c.level): c for c in alive if c.method == 'imp'}
  dense = {c.target: c for c in alive if c.method == 'dense'}
  moved = [
    (cell, imp[cell.target, cell.level])
    for cell in alive
    if cell.method in ELASTIC and (cell.target, cell.level) in imp
  ]
  if moved:
    return _headline(moved, series)
  others = [cell for cell in alive if cell.method not in ('dense', 'imp')]
  pairs = [
    (cell, imp[cell.target, cell.level])
    for cell in others
    if (cell.target, cell.level) in imp
  ] or [
    (cell, dense[cell.target])
    for cell in alive
    if cell.method != 'dense' and cell.target in dense
  ]
  last = max((cell.level for cell, _ in pairs), default=0)
  return _headline([pair for pair in pairs if pair[0].level == last], series)


def _headline(
  pairs: Sequence[tuple[Cell, Cell]], series: Mapping[str, Series]
) -> Headline:
  compared = [compare(*pair) for pair in pairs]
  known = [pair for pair in compared if not math.isnan(pair.difference)]
  groups: dict[str, list[Comparison]] = {}
  for pair in known:
    corrected = dataclasses.replace(pair, p=min(1.0, pair.p * len(known)))
    groups.setdefault(pair.better.method, []).append(corrected)
  return Headline(
    tuple(
      Arm(
        _name(some, series),
        series[some[0].worse.label].name,
        tuple(some),
        _mean(some),
      )
      for some in groups.values()
    )
  )


def _name(pairs: Sequence[Comparison], series: Mapping[str, Series]) -> str:
  """Of the one line that there is, or of the method."""
  names = {series[pair.better.label].name for pair in pairs}
  return names.pop() if len(names) == 1 else method_label(pairs[0].better)


def _mean(pairs: Sequence[Comparison]) -> Difference:
  share = 1 / len(pairs)
  weights = [(share, pair.better) for pair in pairs]
  weights += [(-share, pair.worse) for pair in pairs]
  return contrast(weights).times(100)


def _sentences(found: Headline) -> Iterator[str]:
  if not found.arms:
    yield 'Nothing was trained yet that two methods could be compared by.'
    return
  shown = found.arms[:MOST_ARMS]
  for arm in shown:
    yield _of_arm(arm, len(found.arms))
  if len(found.arms) > len(shown):
    more = counted(len(found.arms) - len(shown), 'more method')
    yield f'The table below has {more}.'
  verdicts = Counter(pair.verdict for _, pair in found.pairs)
  if all(pair.test.error == math.inf for _, pair in found.pairs):
    yield (
      'There is one replicate, so a difference cannot be told from chance: '
      'all of this is undecided.'
    )
  elif len(found.pairs) > 1:
    counts = [
      f'{count} {word}'
      for verdict, word in WORDS.items()
      if (count := verdicts[verdict])
    ]
    yield f'At each network and sparsity alone: {_listed(counts)}.'


def _of_arm(arm: Arm, arms: int) -> str:
  """What one method does against its baseline, on average."""
  mean, margin = arm.total.mean, arm.total.margin(1 - LEVEL / arms)
  where = _where(arm)
  matched = ' at equal sparsity' if arm.matched else ''
  if not math.isfinite(margin):
    return (
      f'{arm.name} is {abs(mean):.2f} points '
      f'{"more" if mean > 0 else "less"} accurate than {arm.baseline}'
      f'{matched}, {where}.'
    )
  interval = (
    f'95% interval {_signed(mean - margin)} to {_signed(mean + margin)}'
  )
  if arms > 1:
    interval += f' for all {arms} together'
  if abs(mean) <= margin:
    return (
      f'{arm.name} and {arm.baseline} cannot be told apart{matched}, '
      f'{where}: they differ by {_signed(mean)} points ({interval}).'
    )
  return (
    f'{arm.name} is {abs(mean):.2f} points '
    f'{"more" if mean > 0 else "less"} accurate than {arm.baseline}{matched}, '
    f'{where} ({interval}).'
  )


def _where(arm: Arm) -> str:
  """Over what a mean was taken."""
  targets = list(dict.fromkeys(pair.better.target for pair in arm.pairs))
  levels = {pair.better.level for pair in arm.pairs}
  networks = (
    f'on {pretty(targets[0])}'
    if len(targets) == 1
    else f'over {len(targets)} networks'
  )
  if len(levels) == 1:
    found = [100 * pair.better.sparsity for pair in arm.pairs]
    low, high = f'{min(found):.1f}', f'{max(found):.1f}'
    some = low if low == high else f'{low} to {high}'
    return f'{networks} at {some}% sparsity'
  sparsities = f'{len(levels)} sparsities'
  return f'on average {networks} at {sparsities}'


def _signed(points: float) -> str:
  return f'{points:+.2f}'.replace('-', '\N{MINUS SIGN}')


def _listed(parts: Sequence[str]) -> str:
  if len(parts) < 2:
    return ''.join(parts)
  return f'{", ".join(parts[:-1])} and {parts[-1]}'
