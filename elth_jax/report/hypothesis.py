"""E-LTH itself on the page: elastic tickets against the target's own IMP."""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import get_args

from elth_jax.families import pretty
from elth_jax.process.text import counted
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

MOST_BEHIND = 1.0  # points, at which a ticket is still comparable with IMP
BEHIND, NOT_BEHIND = 'more than a point behind', 'comparable'
IMP_FAILS = 'IMP fails'


@dataclasses.dataclass(frozen=True)
class Tested:
  """One elastic ticket against IMP, in one study.

  Attributes:
    study: its title and scale.
    converged: whether twice the epochs gain the dense target less than a point,
      of `budget.Converged`, and how much, if it was trained as long.
    pair: the ticket and IMP, at the highest level that both have.
    verdict: `comparable` if it is no more than a point behind, by a one-sided
      test at 5% that holds for all pairs of the study together (Holm);
      `IMP fails`, if some of IMP's networks learn nothing.
  """

  study: str
  converged: str
  pair: Comparison
  verdict: str


def tested(
  studies: Iterable[tuple[str, Sequence[Cell], Gate | None]],
) -> list[Tested]:
  """All pairs whose ticket comes from another network, each once.

  A pair whose networks are all in another study too is left to that one.

  Args:
    studies: of each its title and scale, its cells, and what twice the epochs
      gain its dense networks; `None` if that is unknown.
  """
  studies = list(studies)
  pairs = [_pairs(found) for _, found, _ in studies]
  distinct = _without_repeated(pairs)
  return [
    Tested(study, _converged(pair.better.target, found, gate), pair, verdict)
    for (study, found, gate), some in zip(studies, distinct, strict=True)
    for pair, verdict in zip(some, _verdicts(some), strict=True)
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

  def repeated(pair: Comparison, number: int) -> bool:
    mine = _networks(pair)
    return any(
      mine < others or (mine == others and study < number)
      for others, study in known
      if mine
    )

  return [
    [pair for pair in pairs if not repeated(pair, number)]
    for number, pairs in enumerate(studies)
  ]


def _networks(pair: Comparison) -> frozenset[str]:
  return pair.better.keys | pair.worse.keys


def _converged(target: str, found: Sequence[Cell], gate: Gate | None) -> str:
  gain = gate.gains.get(target) if gate else None
  alone = Gate({target: gain}) if gain else None
  word = converged([cell for cell in found if cell.target == target], alone)
  return f'{word} ({gain.mean:+.2f})' if gain else word


def _all_converged(found: Iterable[Tested]) -> str:
  """The least favourable answer of some pairs."""
  answers = {one.converged.partition(' (')[0] for one in found}
  return next(word for word in reversed(get_args(Converged)) if word in answers)


def _verdicts(pairs: Sequence[Comparison]) -> list[str]:
  """Where IMP's networks learn nothing, there is nothing to compare with."""
  known = [pair for pair in pairs if not pair.worse.at_chance]
  tests = [pair.test.times(100) for pair in known]
  above = [test.p_above(-MOST_BEHIND) for test in tests]
  below = [test.p_below(-MOST_BEHIND) for test in tests]
  corrected = holm([min(one) for one in zip(above, below, strict=True)])
  verdicts = (
    'undecided' if p >= LEVEL else NOT_BEHIND if up < down else BEHIND
    for p, up, down in zip(corrected, above, below, strict=True)
  )
  return [
    IMP_FAILS if pair.worse.at_chance else next(verdicts) for pair in pairs
  ]


def section(found: Sequence[Tested]) -> Iterator[str]:
  """Markdown: a row for each study and way; nothing if there is no pair."""
  if not found:
    return
  counts = Counter(one.verdict for one in found)
  yield '## The hypothesis itself\n'
  yield (
    "An elastic ticket against the target's own IMP ticket, at the highest "
    'sparsity that a study has. Differences are points of test accuracy. '
    '`comparable`: no more than a point behind, by a one-sided test at 5%, '
    'corrected for the pairs of its study. `matched`: with exactly as many '
    'weights as IMP keeps, which no paper has: the smallest are pruned, or '
    'the largest of those that were pruned come back. Networks that are in '
    'two studies count in the larger one. `converged`: whether the dense '
    'networks have, as above. Of '
    f'{counted(len(found), "pair")}, {counts[NOT_BEHIND]} are comparable, '
    f'{counts[BEHIND]} are more than a point behind, and '
    f'{counts["undecided"]} are undecided; in {counts[IMP_FAILS]}, which are '
    "left out of the means, some of IMP's own networks are no better than "
    'chance. All pairs stand at the end of this page.\n'
  )
  yield (
    '| study | converged | ticket | pairs | elastic - IMP, mean | worst | best '
    '| comparable | behind | undecided | IMP fails |'
  )
  yield f'| --- | --- | --- | ---: | ---: | --- | --- |{" ---: |" * 4}'
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
    yield (
      f'| {study} | {_all_converged(some)} | {label} | {len(some)} | {means} | '
      f'{counts[NOT_BEHIND]} | {counts[BEHIND]} | {counts["undecided"]} | '
      f'{counts[IMP_FAILS]} |'
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
    'than chance.\n'
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
  return ' \N{DAGGER}' if one.pair.better.at_chance else ''


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
