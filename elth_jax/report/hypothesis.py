"""E-LTH itself on the page: elastic tickets against the target's own IMP."""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import get_args

from elth_jax.families import pretty
from elth_jax.report.budget import Converged, Gate, converged
from elth_jax.report.comparison import (
  LEVEL,
  SAME_SPARSITY,
  Comparison,
  compare,
)
from elth_jax.report.headline import ELASTIC
from elth_jax.report.summary import Cell, method_label, spread
from elth_jax.statistics import holm
from elth_jax.study.claims import Claim
from elth_jax.study.sides import Side

# points that a comparable ticket may be behind, if no margin is claimed
MARGIN = 1.0
BEHIND, COMPARABLE, IMP_FAILS = 'behind', 'comparable', 'IMP fails'
VERDICTS = (COMPARABLE, BEHIND, 'undecided', IMP_FAILS)


@dataclasses.dataclass(frozen=True)
class Findings:
  """What one study found, and what its verdicts rest on.

  Attributes:
    name: its title and scale.
    cells: all that it found.
    gate: what twice the epochs gain its dense networks; `None` if unknown.
    margin: points that a ticket may be behind IMP and still be comparable.
  """

  name: str
  cells: Sequence[Cell]
  gate: Gate | None
  margin: float = MARGIN


def margin_of(claims: Iterable[Claim]) -> float:
  """The margin at which a study claims that elastic tickets are like IMP's."""
  margins = [
    claim.within
    for claim in claims
    if claim.within is not None
    and claim.one.method in ELASTIC
    and isinstance(claim.other, Side)
    and claim.other.method == 'imp'
  ]
  return min(margins, default=MARGIN)


@dataclasses.dataclass(frozen=True)
class Tested:
  """One elastic ticket against IMP, in one study.

  Attributes:
    study: its title and scale.
    converged: whether twice the epochs gain the dense target less than a point,
      of `budget.Converged`, and how much, if it was trained as long.
    pair: the ticket and IMP, at the highest level that both have.
    verdict: `comparable` if it is behind by no more than the study's margin,
      and `behind` if by more, by a one-sided test at 5% that holds for all
      pairs of the study together (Holm); `IMP fails`, if some of IMP's networks
      learn nothing.
  """

  study: str
  converged: str
  pair: Comparison
  verdict: str

  @property
  def answer(self) -> str:
    """Whether the dense target has converged, in a word."""
    return self.converged.partition(' (')[0]


def tested(studies: Sequence[Findings]) -> list[Tested]:
  """All pairs whose ticket comes from another network, each once.

  A pair whose networks are all in another study too is left to that one; where
  both have the same networks of it, to the one with more pairs.
  """
  distinct = _without_repeated([_pairs(study.cells) for study in studies])
  return [
    Tested(study.name, _converged(pair.better.target, study), pair, verdict)
    for study, some in zip(studies, distinct, strict=True)
    for pair, verdict in zip(some, _verdicts(some, study.margin), strict=True)
  ]


def _pairs(found: Sequence[Cell]) -> list[Comparison]:
  """Of several orders of one ticket, the first, which is the usual one."""
  own = {(c.target, c.level): c for c in found if c.method == 'imp'}
  last: dict[tuple[str, str, str], Cell] = {}
  for cell in found:
    if cell.method in ELASTIC and cell.source != cell.target:
      place = cell.ticket, cell.target, cell.method
      best = last.get(place)
      is_known = (cell.target, cell.level) in own and cell.outcomes
      if is_known and (best is None or cell.level > best.level):
        last[place] = cell
  return [compare(c, own[c.target, c.level]) for c in last.values()]


def _without_repeated(
  studies: Sequence[Sequence[Comparison]],
) -> list[list[Comparison]]:
  """Without pairs whose networks are a part of another study's, or the same."""
  known = [(_networks(p), n) for n, pairs in enumerate(studies) for p in pairs]
  by_size = sorted(range(len(studies)), key=lambda n: (len(studies[n]), -n))
  rank = {number: place for place, number in enumerate(by_size)}

  def repeated(pair: Comparison, number: int) -> bool:
    mine = _networks(pair)
    return any(
      mine < others or (mine == others and rank[number] < rank[study])
      for others, study in known
      if mine
    )

  return [
    [pair for pair in pairs if not repeated(pair, number)]
    for number, pairs in enumerate(studies)
  ]


def _networks(pair: Comparison) -> frozenset[str]:
  return pair.better.keys | pair.worse.keys


def _converged(target: str, study: Findings) -> str:
  gain = study.gate.gains.get(target) if study.gate else None
  alone = Gate({target: gain}) if gain else None
  own = [cell for cell in study.cells if cell.target == target]
  word = converged(own, alone)
  return f'{word} ({gain.mean:+.2f})' if gain else word


def _all_converged(found: Iterable[Tested]) -> str:
  """The least favourable answer of some pairs."""
  answers = {one.answer for one in found}
  return next(word for word in reversed(get_args(Converged)) if word in answers)


def _verdicts(pairs: Sequence[Comparison], margin: float) -> list[str]:
  """Where IMP's networks learn nothing, there is nothing to compare with."""
  known = [pair for pair in pairs if not pair.worse.at_chance]
  tests = [pair.test.times(100) for pair in known]
  above = [test.p_above(-margin) for test in tests]
  below = [test.p_below(-margin) for test in tests]
  corrected = holm([min(one) for one in zip(above, below, strict=True)])
  verdicts = (
    'undecided' if p >= LEVEL else COMPARABLE if up < down else BEHIND
    for p, up, down in zip(corrected, above, below, strict=True)
  )
  return [
    IMP_FAILS if pair.worse.at_chance else next(verdicts) for pair in pairs
  ]


def section(found: Sequence[Tested]) -> Iterator[str]:
  """Markdown: counts, then a row for each study and way; or nothing."""
  if not found:
    return
  yield '## The hypothesis itself\n'
  yield (
    "Is an elastic ticket as good as the target's own IMP ticket? Pairs of the "
    'two, at the highest sparsity that a study has, where dense networks are '
    'not known to be trained too short:\n'
  )
  yield from _by_family(found)
  yield (
    '`comparable`: behind by no more than a point, or than the margin that the '
    'claims of the study have. `behind`: by more. Both by a one-sided test at '
    '5%, corrected for the pairs of their study. `matched`: with exactly as '
    'many weights as IMP keeps, which no paper has. For that, the smallest '
    'weights are pruned at once at the rewind point, or the largest of those '
    'that were pruned come back. Of some squeezed tickets half of the weights '
    'are pruned in this way, so a part of what they lose is due to it. '
    "`IMP fails`: some of IMP's own networks are no better than chance. "
    "`converged`: whether the pairs' dense targets have; see the next "
    'section.\n'
  )
  yield (
    'Of each study, with differences in points of test accuracy. Networks that '
    'are in two studies count in the larger one. All pairs stand at the end of '
    'this page.\n'
  )
  yield from _by_study(found)


def _by_family(found: Sequence[Tested]) -> Iterator[str]:
  """Counts of verdicts by family and way; training that is too short apart."""
  groups: dict[tuple[str, str], Counter[str]] = {}
  for one in found:
    if one.answer != 'no':
      family = pretty(one.pair.better.target).partition('-')[0]
      place = f'{family}s', method_label(one.pair.better)
      groups.setdefault(place, Counter())[one.verdict] += 1
  yield f'| networks | ticket | pairs | {" | ".join(VERDICTS)} |'
  yield '| --- | --- |' + ' ---: |' * (1 + len(VERDICTS))
  for (family, label), counts in sorted(groups.items()):
    cells = (counts.total(), *(counts[verdict] for verdict in VERDICTS))
    yield f'| {family} | {label} | {" | ".join(map(str, cells))} |'
  yield ''


def _by_study(found: Sequence[Tested]) -> Iterator[str]:
  yield (
    '| study | converged | ticket | pairs | elastic - IMP, mean | worst | best '
    f'| {" | ".join(VERDICTS)} |'
  )
  yield '| --- | --- | --- | ---: | ---: | --- | --- |' + (
    ' ---: |' * len(VERDICTS)
  )
  groups: dict[tuple[str, str], list[Tested]] = {}
  for one in found:
    label = method_label(one.pair.better)
    groups.setdefault((one.study, label), []).append(one)
  for (study, label), some in groups.items():
    counts = Counter(one.verdict for one in some)
    known = [one for one in some if one.verdict != IMP_FAILS]
    ordered = sorted(known, key=_difference)
    means = ' | | '
    if known:
      mean = sum(map(_difference, known)) / len(known)
      means = f'{mean:+.2f} | {_shortly(ordered[0])} | {_shortly(ordered[-1])}'
    numbers = ' | '.join(str(counts[verdict]) for verdict in VERDICTS)
    yield (
      f'| {study} | {_all_converged(some)} | {label} | {len(some)} | {means} | '
      f'{numbers} |'
    )
  yield ''


def all_pairs(found: Sequence[Tested]) -> Iterator[str]:
  """Markdown: a row for each pair; nothing if there is none."""
  if not found:
    return
  yield '## Every pair of an elastic ticket and IMP\n'
  yield (
    'As in the table of the hypothesis'
    + ('; intervals are of 90%' if any(map(_has_interval, found)) else '')
    + '. `converged`: whether the dense network has, and how much twice the '
    'epochs gain it. \N{DAGGER}: some networks of the ticket are no better '
    'than chance. \N{DOUBLE DAGGER}: a network of either is far below the '
    'others, ten points and more.\n'
  )
  yield (
    '| study | ticket | on | sparsity, its and of IMP | elastic - IMP | '
    'replicates | converged | verdict |'
  )
  yield '| --- | --- | --- | --- | ---: | ---: | --- | --- |'
  for one in found:
    cell, imp = one.pair.better, one.pair.worse
    test = one.pair.test.times(100)
    yield (
      f'| {one.study} | {method_label(cell)} from {cell.origin} | '
      f'{pretty(cell.target)} | {_sparsities(cell, imp)} | {test.mean:+.2f}'
      f'{spread(test.margin(1 - 2 * LEVEL))} | {test.replicates} | '
      f'{one.converged} | {_bold(one.verdict)}{_mark(one)} |'
    )
  yield ''


def _mark(one: Tested) -> str:
  cell, imp = one.pair.better, one.pair.worse
  if cell.at_chance:
    return ' \N{DAGGER}'
  return ' \N{DOUBLE DAGGER}' if cell.far_below or imp.far_below else ''


def _has_interval(one: Tested) -> bool:
  return one.pair.test.replicates > 1


def _difference(one: Tested) -> float:
  return 100 * one.pair.difference


def _shortly(one: Tested) -> str:
  cell = one.pair.better
  return f'{_difference(one):+.2f}, {cell.origin} to {pretty(cell.target)}'


def _sparsities(cell: Cell, imp: Cell) -> str:
  if abs(cell.sparsity - imp.sparsity) <= SAME_SPARSITY:
    return f'{100 * cell.sparsity:.1f}%, matched'
  return f'{100 * cell.sparsity:.1f}% and {100 * imp.sparsity:.1f}%'


def _bold(verdict: str) -> str:
  return verdict if verdict == 'undecided' else f'**{verdict}**'
