"""The first part of the page of what was reproduced: all claims, counted."""

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from elth_jax.report.summary import spread
from elth_jax.report.verdicts import Judgement
from elth_jax.study.claims import Claim, claim_ids

COLUMNS = ('id', 'paper', 'where', 'kind', 'says', 'experiments', 'flops')
Judged = tuple[Claim, Judgement | None]


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


def overview(
  judged: Sequence[Judged], listed: Sequence[dict[str, str]]
) -> Iterator[str]:
  """Markdown: how many claims were decided, and a line for each listed one.

  Args:
    judged: every claim of every study.
    listed: of `read_list`; empty for no table.
  """
  verdicts = Counter(_verdict(one) for _, one in judged)
  found = verdicts.total() - verdicts['not tested']
  decided = verdicts['supported'] + verdicts['contradicted']
  yield '## In short\n'
  yield (
    f'{verdicts.total()} lines of claims are stated in the studies below. '
    f'{found} were tested here, at the scales given: {decided} are decided, '
    f'{verdicts["supported"]} for the paper and {verdicts["contradicted"]} '
    f'against it, and {verdicts["undecided"]} are undecided. '
    f'{verdicts["not tested"]} speak of what was not trained here.\n'
  )
  yield from _undecided(judged)
  if listed:
    yield from _table(judged, listed)


def _verdict(judged: Judgement | None) -> str:
  return judged.verdict if judged else 'not tested'


def _undecided(judged: Sequence[Judged]) -> Iterator[str]:
  """What would decide the rest."""
  some = [(c, one) for c, one in judged if one and one.verdict == 'undecided']
  if not some:
    return
  yield '| undecided | difference | replicates | would decide it |'
  yield '| --- | ---: | ---: | ---: |'
  for claim, one in some:
    needed = str(one.needed) if one.needed else 'unknown'
    yield (
      f'| `{claim.short}` | {one.difference:+.2f}{spread(one.margin)} | '
      f'{one.test.replicates} | {needed} |'
    )
  yield ''


def _table(
  judged: Sequence[Judged], listed: Sequence[dict[str, str]]
) -> Iterator[str]:
  by_row: dict[int, list[Judgement | None]] = {}
  for claim, one in judged:
    for number in claim_ids(claim.where):
      by_row.setdefault(number, []).append(one)
  rows = [row for row in listed if row['kind'] == 'claim']
  found = [_in_words(by_row.get(int(row['id']), [])) for row in rows]
  some = sum(words != '' for words in found)
  yield (
    f'The papers make {len(rows)} claims; something of {some} was tested. '
    'Operations are those of training at the scale of the paper.\n'
  )
  yield '| | where | claim | found here |'
  yield '| ---: | --- | --- | --- |'
  for row, words in zip(rows, found, strict=True):
    cost = f'not tested: {float(row["flops"]):.0e} FLOPs, {_files(row)}'
    yield (
      f'| {row["id"]} | {row["paper"]}, {row["where"]} | {row["says"]} | '
      f'{words or cost} |'
    )
  yield ''


def _in_words(found: Iterable[Judgement | None]) -> str:
  """Verdicts counted; empty if none was tested."""
  counts = Counter(one.verdict for one in found if one)
  if len(counts) == 1 and counts.total() == 1:
    return f'**{next(iter(counts))}**'
  return ', '.join(f'{count} **{name}**' for name, count in counts.items())


def _files(row: dict[str, str]) -> str:
  return ', '.join(f'`{name}`' for name in row['experiments'].split())
