"""All claims on the page of what was reproduced: counted, listed, undecided."""

import csv
import dataclasses
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import get_args

from elth_jax.process.text import counted
from elth_jax.report.budget import Converged
from elth_jax.report.summary import spread
from elth_jax.report.verdicts import Judgement, added_arm
from elth_jax.study.claims import Claim, claim_ids

COLUMNS = (
  'id',
  'paper',
  'where',
  'kind',
  'says',
  'experiments',
  'flops',
  'lines',
)
# verdicts of all lines of a claim -> that of the claim
IN_ALL: dict[frozenset[str], str] = {
  frozenset({'supported'}): 'supported',
  frozenset({'supported', 'undecided'}): 'supported in part',
  frozenset({'contradicted'}): 'contradicted',
  frozenset({'contradicted', 'undecided'}): 'contradicted in part',
  frozenset({'supported', 'contradicted'}): 'mixed',
  frozenset({'supported', 'contradicted', 'undecided'}): 'mixed',
  frozenset({'undecided'}): 'undecided',
}
VERDICTS = ('supported', 'contradicted', 'undecided')
Judged = tuple[Claim, Judgement | None]


@dataclasses.dataclass(frozen=True)
class Stated:
  """A claim as one study states it, and what the study found.

  Attributes:
    study: its title.
    scale: at which it was run, and where it does not say so, on which data.
    claim: what is claimed.
    found: what was found; `None` if it was not tested.
    converged: whether the study's dense networks have.
  """

  study: str
  scale: str
  claim: Claim
  found: Judgement | None
  converged: Converged


def read_list(path: Path) -> list[dict[str, str]]:
  """The list of a paper's claims: `experiments/claims.csv`.

  Raises:
    FileNotFoundError: if there is none.
    ValueError: if it lacks a column.
  """
  with path.open(newline='', encoding='utf-8') as file:
    reader = csv.DictReader(file)
    missing = set(COLUMNS) - set(reader.fieldnames or ())
    if missing:
      raise ValueError(f'{path} lacks {", ".join(sorted(missing))}')
    return list(reader)


def in_short(
  stated: Sequence[Stated], studies: Mapping[str, Converged]
) -> Iterator[str]:
  """Markdown: how many claims were decided, and by which studies.

  Args:
    stated: every claim of every study.
    studies: title and scale of every study, and whether its dense networks have
      converged.
  """
  tested = [one for one in stated if one.found]
  texts = {one.claim.text for one in stated}
  left = len(texts - {one.claim.text for one in tested})
  yield '## In short\n'
  papers = [one for one in tested if not added_arm(one.claim)]
  yield (
    f"The studies below state the papers' claims in "
    f'{counted(len(texts), "line")}, {left} of them on networks or sparsities '
    f'that were not trained here. The others were tested {_counts(papers)}\n'
  )
  if more := [one for one in tested if added_arm(one.claim)]:
    yield (
      'For what no paper has, tickets with exactly as many weights as IMP '
      "keeps and networks that train as long as IMP's search, the same was "
      'tested '
      f'{_counts(more)}\n'
    )
  yield (
    'Dense networks have converged where twice the epochs gain them less than '
    "a point, and have not where IMP's sparse networks are a point better; it "
    'is unknown where nobody trained longer. Where they have not, verdicts are '
    'of short training. All that was tested:\n'
  )
  yield (
    '| converged | tested | supported | contradicted | undecided | studies |'
  )
  yield '| --- | ---: | ---: | ---: | ---: | --- |'
  for answer in get_args(Converged):
    names = [name for name, converged in studies.items() if converged == answer]
    verdicts = Counter(
      one.found.verdict
      for one in tested
      if one.found and one.converged == answer
    )
    yield (
      f'| {answer} | {verdicts.total()} | {verdicts["supported"]} | '
      f'{verdicts["contradicted"]} | {verdicts["undecided"]} | '
      f'{"; ".join(names) or "none"} |'
    )
  yield ''


def _counts(tested: Sequence[Stated]) -> str:
  """Verdicts, counted once for each scale."""
  found = [one.found for one in tested if one.found]
  verdicts = Counter(one.verdict for one in found)
  decided = verdicts['supported'] + verdicts['contradicted']
  words = (
    f'{counted(len(found), "time")}, once at each scale: {decided} decided, '
    f'{verdicts["supported"]} for it and {verdicts["contradicted"]} against '
    f'it; {verdicts["undecided"]} undecided.'
  )
  guesses = sum(
    one.verdict != 'undecided' and one.at_chance > 0 for one in found
  )
  if guesses:
    words += (
      f' Of those decided, {guesses} rest in part on networks that are no '
      'better than chance.'
    )
  return words


def _verdict(judged: Judgement | None) -> str:
  return judged.verdict if judged else 'not tested'


def undecided(stated: Sequence[Stated]) -> Iterator[str]:
  """Markdown: how many replicates would decide what is not; or nothing."""
  if all(_verdict(one.found) != 'undecided' for one in stated):
    return
  yield '## What would decide the rest\n'
  yield (
    'With a power of 80%, if means and spreads stay as they are, at the level '
    "that Holm's correction leaves for what is undecided; unknown where no "
    'number would.\n'
  )
  yield '| study, scale | undecided | difference | replicates | would decide |'
  yield '| --- | --- | ---: | ---: | ---: |'
  for one in stated:
    found = one.found
    if found is None or found.verdict != 'undecided':
      continue
    yield (
      f'| {one.study}, {one.scale} | `{one.claim.short}` | '
      f'{found.difference:+.2f}{spread(found.margin)} | '
      f'{found.test.replicates} | {found.needed or "unknown"} |'
    )
  yield ''


def table(
  stated: Sequence[Stated],
  listed: Sequence[dict[str, str]],
  computed: Collection[int] = (),
) -> Iterator[str]:
  """Markdown: each claim of the papers and its verdict; nothing without a list.

  Args:
    stated: every claim of every study.
    listed: of `read_list`.
    computed: rows in the list of which the page has computed numbers.
  """
  if not listed:
    return
  by_row: dict[int, list[Stated]] = {}
  for one in stated:
    for number in claim_ids(one.claim.where):
      by_row.setdefault(number, []).append(one)
  rows = [row for row in listed if row['kind'] in ('claim', 'computed')]
  lines = [by_row.get(int(row['id']), []) for row in rows]
  found = [
    _verdict_of(some, int(row['lines']))
    for row, some in zip(rows, lines, strict=True)
  ]
  counts = Counter(
    one.verdict
    for row, one in zip(rows, found, strict=True)
    if one and int(row['id']) not in computed
  )
  words = ', '.join(
    f'{counts[verdict]} {verdict}' for verdict in dict.fromkeys(IN_ALL.values())
  )
  yield "## The papers' claims\n"
  yield (
    f'The papers make {counted(len(rows), "claim")}; something of '
    f'{counts.total()} was tested: {words}. A verdict is that of all lines in '
    'which the experiments state the claim, for what the papers trained, in '
    'studies that are not known to be trained too short, or if there is none, '
    'in those. `In part`: a line is undecided, at some scale, or was not '
    'tested. \N{DAGGER}: it rests in part on networks that are no better than '
    'chance. Operations are those of training at the scale of the paper.\n'
  )
  yield '| | where | claim | verdict | lines | converged | lines by scale |'
  yield '| ---: | --- | --- | --- | --- | --- | --- |'
  for row, some, one in zip(rows, lines, found, strict=True):
    if int(row['id']) in computed:
      told = '[computed](#costs-computed) | | | '
    elif one:
      told = f'{one} | {_in_words(some)}'
    else:
      cost = f'{float(row["flops"]):.0e} FLOPs, {_files(row)}'
      told = f'not tested | 0 of {row["lines"]} | | {cost}'
    yield (
      f'| {row["id"]} | {row["paper"]}, {row["where"]} | {row["says"]} | '
      f'{told} |'
    )
  yield ''


@dataclasses.dataclass(frozen=True)
class ClaimVerdict:
  """What became of a claim in all studies together.

  Attributes:
    verdict: of `IN_ALL`.
    tested: how many of its lines were tested.
    lines: how many there are in all experiments.
    converged: what is known of the networks, as in `budget`.
    at_chance: whether a decided line rests on networks that learned nothing.
  """

  verdict: str
  tested: int
  lines: int
  converged: Sequence[Converged]
  at_chance: bool

  def __str__(self) -> str:
    """The cells of a table."""
    mark = ' \N{DAGGER}' if self.at_chance else ''
    return (
      f'**{self.verdict}**{mark} | {self.tested} of {self.lines} | '
      f'{", ".join(self.converged)}'
    )


def _counted(stated: Iterable[Stated]) -> list[Stated]:
  """What was tested, in studies that are not known to train too short.

  In all of them, where there is no other.
  """
  tested = [one for one in stated if one.found]
  return [one for one in tested if one.converged != 'no'] or tested


def _verdict_of(stated: Iterable[Stated], lines: int) -> ClaimVerdict | None:
  """What became of a claim that has so many lines; `None` if untested."""
  tested = _counted(one for one in stated if not added_arm(one.claim))
  if not tested:
    return None
  found = [one.found for one in tested if one.found]
  verdict = IN_ALL[frozenset(one.verdict for one in found)]
  distinct = len({(one.study, one.claim.text) for one in tested})
  if distinct < lines and verdict in ('supported', 'contradicted'):
    verdict += ' in part'
  return ClaimVerdict(
    verdict,
    distinct,
    lines,
    [
      answer
      for answer in get_args(Converged)
      if any(one.converged == answer for one in tested)
    ],
    any(one.at_chance and one.verdict != 'undecided' for one in found),
  )


def _in_words(stated: Sequence[Stated]) -> str:
  """Verdicts counted for each scale, of what no paper has apart."""
  papers = [one for one in stated if not added_arm(one.claim)]
  added = [one for one in stated if added_arm(one.claim)]
  counts: dict[str, Counter[str]] = {}
  for one in (*_counted(papers), *_counted(added)):
    scale = ', '.join(filter(None, (one.scale, added_arm(one.claim))))
    counts.setdefault(scale, Counter())[_verdict(one.found)] += 1
  return '; '.join(
    f'{scale}: '
    + ', '.join(f'{some[name]} {name}' for name in VERDICTS if some[name])
    for scale, some in counts.items()
  )


def _files(row: dict[str, str]) -> str:
  return ', '.join(f'`{name}`' for name in row['experiments'].split())
