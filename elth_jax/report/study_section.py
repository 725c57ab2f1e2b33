"""One study on the page of what was reproduced, as Markdown."""

import collections
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from elth_jax import datasets
from elth_jax.families import pretty
from elth_jax.process.text import counted
from elth_jax.report import (
  analysis_figures,
  budget,
  comparison,
  figures,
  measures,
  summary,
)
from elth_jax.report.amortisation import cost_name, training_times
from elth_jax.report.evidence import Evidence
from elth_jax.report.headline import ELASTIC, headline
from elth_jax.report.overview import Judged
from elth_jax.report.results import of_targets
from elth_jax.report.styles import series_of
from elth_jax.report.summary import Cell, spread
from elth_jax.report.verdicts import Judgement, beside
from elth_jax.storage.files import write_atomically
from elth_jax.study import scope
from elth_jax.study.claims import Claim
from elth_jax.study.estimate import duration

FIGURES = 'figures/reproduction'  # beside the page


def accuracies(study: Evidence) -> list[Cell]:
  """The cells of a study's targets."""
  rows = of_targets(study.rows, study.spec)
  return summary.cells(rows, study.diverged, study.test_images, study.classes)


def section(
  study: Evidence,
  found: Sequence[Cell],
  judged: Sequence[Judged],
  gate: budget.Gate | None,
  into: Path,
) -> Iterator[str]:
  """One study as Markdown."""
  paper, shown = study.spec.paper, accuracies(study)
  yield f'## {paper.title}, scale: {paper.scale}\n'
  yield _about(study)
  for sentence in budget.sentences(found, gate):
    yield f'{sentence}\n'
  yield from _failures(shown)
  yield from _claims(judged, found, study.spec.prune_fraction)
  yield from _tables(shown)
  yield from _published(study, found)
  yield from _barrier_table(measures.barriers(study.barriers))
  yield from _times(study, shown)
  yield from _figures(study, shown, into)


def _failures(found: Sequence[Cell]) -> Iterator[str]:
  """Which networks are no better than chance, or fail where others do not."""
  lines = series_of(found)
  some = [
    f'{lines[cell.label].name} on {pretty(cell.target)}, level {cell.level}: '
    f'{cell.at_chance} of {len(cell.accuracy)}'
    for cell in found
    if cell.at_chance
  ]
  if some:
    yield f'No better than chance are {"; ".join(some)}.\n'
  far = [
    f'{lines[cell.label].name} on {pretty(cell.target)}, level {cell.level}: '
    f'{" and ".join(f"{100 * one:.1f}%" for one in cell.far_below)}, where the '
    f'median is {100 * np.median(list(cell.accuracy.values())):.1f}%'
    for cell in found
    if cell.far_below and not cell.at_chance
  ]
  if far:
    yield (
      f'Far below others of their kind, but counted, are {"; ".join(far)}.\n'
    )


def _about(study: Evidence) -> str:
  spec, rows = study.spec, study.rows
  networks = ', '.join(map(pretty, spec.targets))
  on = ', '.join(map(datasets.pretty, spec.source_datasets))
  return (
    f'{spec.paper.question} {networks} on {datasets.pretty(spec.dataset)}'
    + (f', tickets from {on}' if on else '')
    + (f', {spec.train_examples:,} images' if spec.train_examples else '')
    + (f', {spec.image_size} pixels' if spec.image_size else '')
    + (f', width {spec.width}' if spec.width else '')
    + f'; {counted(spec.recipe.epochs, "epoch")}, '
    f'{counted(spec.replicates, "replicate")}, '
    f'{counted(len(rows), "trained network")}, '
    f'{sum(row["train_flops"] for row in rows):.1e} FLOPs. IMP prunes '
    f'{100 * spec.prune_fraction:.3g}% a level, {spec.levels} times. '
    f'{_ran_today(study)}\n'
  )


def _ran_today(study: Evidence) -> str:
  """The command, with the name that its scale has now."""
  name = study.spec.paper.scale
  return re.sub(r'--config\.scale=\w+', f'--config.scale={name}', study.ran)


def _claims(
  judged: Sequence[Judged], found: Sequence[Cell], fraction: float
) -> Iterator[str]:
  tested = [(claim, one) for claim, one in judged if one]
  if tested:
    yield '| claim | pairs | points | worst pair | sparsity | verdict |'
    yield '| --- | ---: | ---: | ---: | --- | --- |'
  for claim, one in tested:
    yield (
      f'| `{claim}` | {len(one.pairs)} | {one.difference:+.2f}'
      f'{spread(one.margin)} | {_worst(one)} | {one.sparsity} | '
      f'{_verdict(one)} |'
    )
  if tested:
    yield ''
  reasons = collections.Counter(
    _why_not(claim, found, fraction) for claim, one in judged if one is None
  )
  if reasons:
    yield f'{counted(reasons.total(), "claim")} not tested:\n'
    yield from (f'- {number}: {why}' for why, number in reasons.items())
    yield ''


def _worst(judged: Judgement) -> str:
  if len(judged.pairs) == 1:
    return ''
  pair = judged.worst
  cell = pair.better
  moved = cell.source and cell.source != cell.target
  origin = f'{cell.origin} to ' if moved else ''
  return f'{100 * pair.difference:+.2f}, {origin}{pretty(cell.target)}'


def _verdict(judged: Judgement) -> str:
  """In words."""
  words = f'**{judged.verdict}**'
  if judged.verdict != 'undecided':
    words += f', p {min(judged.p_for, judged.p_against):.2g}'
  elif judged.test.replicates == 1:
    words += ', by one replicate'
  elif judged.pair_contradicts:
    words += ': supported on average, and contradicted by a pair'
  else:
    if judged.decided_alone:
      words += ' once corrected for the other claims'
    if judged.needed:
      words += f'; {judged.needed} replicates would decide'
  if judged.at_chance:
    count = counted(judged.at_chance, 'network')
    words += f'; {count} no better than chance'
  return words + (f'; {judged.mixed}' if judged.mixed else '')


def _why_not(claim: Claim, found: Sequence[Cell], fraction: float) -> str:
  """Why a study cannot test a claim."""
  targets = {cell.target for cell in found}
  lacking = [
    t for t in (*claim.targets, claim.against) if t not in {*targets, ''}
  ]
  if lacking:
    return f'{", ".join(map(pretty, lacking))} not trained at this scale'
  levels = {cell.level for cell in found}
  for sparsity in claim.sparsities:
    if scope.level_at(sparsity, fraction) not in levels:
      return f'no level of {sparsity:.1%} sparsity at this scale'
  return 'methods that are not trained at this scale'


def _tables(found: Sequence[Cell]) -> Iterator[str]:
  lines = series_of(found)
  for target, heads, table in summary.tables(found):
    yield f'| {pretty(target)}, test accuracy in % (sparsity) | ' + (
      ' | '.join(heads) + ' |'
    )
    yield '| --- |' + ' ---: |' * len(heads)
    for label, cells in table:
      texts = ' | '.join(summary.text_with_sparsity(cell) for cell in cells)
      yield f'| {lines[label].name} | {texts} |'
    yield ''


def _published(study: Evidence, found: Sequence[Cell]) -> Iterator[str]:
  numbers, fraction = study.spec.paper.published, study.spec.prune_fraction
  pairs = [(n, cell) for n, cell in beside(numbers, found, fraction) if cell]
  if pairs:
    yield '| | level or sparsity | published | ours at this scale |'
    yield '| --- | ---: | ---: | ---: |'
  for number, cell in pairs:
    origin = number.side.source and f' from {pretty(number.side.source)}'
    yield (
      f'| {pretty(number.target)}, {number.side.way}{origin} | '
      f'{number.level or number.sparsity or ""} | '
      f'{number.where or f"{number.accuracy:.2f}"} | '
      f'{summary.text_with_sparsity(cell)} |'
    )
  if pairs:
    yield ''
  if lacking := len(numbers) - len(pairs):
    yield (
      f'{counted(lacking, "published number")} of networks or sparsities that '
      'are not trained at this scale.\n'
    )


def _barrier_table(drops: Sequence[Cell]) -> Iterator[str]:
  if not drops:
    return
  yield '| two trainings of one ticket | level | largest drop between, points |'
  yield '| --- | ---: | ---: |'
  for cell in drops:
    test = comparison.contrast([(100.0, cell)])
    yield (
      f'| {pretty(cell.target)}, {cell.label} | {cell.level} | '
      f'{test.mean:.2f}{spread(test.margin())} |'
    )
  yield ''


def _times(study: Evidence, found: Sequence[Cell]) -> Iterator[str]:
  """How long the machine took, where the study's log says it."""
  level = max(study.spec.compare_levels)
  costs = training_times([*study.timed, *study.diverged], level)
  if not costs:
    return
  lines = series_of(found)
  yield f'| time of the machine, level {level} | search | training | in all |'
  yield '| --- | ---: | ---: | ---: |'
  for cost in costs:
    spans = map(duration, (cost.search, cost.runs, cost.total))
    name = cost_name(cost, found, lines)
    yield f'| {name} | {" | ".join(spans)} |'
  yield ''


def _figures(
  study: Evidence, found: Sequence[Cell], into: Path
) -> Iterator[str]:
  spec = study.spec
  found = [cell for cell in found if cell.accuracy]  # not all diverged
  targets = [t for t in spec.targets if any(c.target == t for c in found)]
  if not targets:
    return
  numbers = beside(spec.paper.published, found, spec.prune_fraction)
  drawn = {
    'accuracy against sparsity': figures.accuracy(targets, found, numbers)
  }
  first = headline(found, series_of(found))
  if any(pair.better.method in ELASTIC for _, pair in first.pairs):
    drawn['elastic tickets against IMP'] = analysis_figures.difference(
      first, series_of(found)
    )
  matrix = comparison.transfers(found)
  if len(matrix) > 1:
    drawn['elastic tickets minus IMP, in points'] = analysis_figures.transfer(
      matrix
    )
  for number, (title, figure) in enumerate(drawn.items(), 1):
    png = io.BytesIO()
    figure.savefig(png, format='png', dpi=90)
    name = f'{study.name}-{number}.png'
    write_atomically(into / FIGURES / name, png.getvalue())
    yield f'![{spec.paper.title}: {title}]({FIGURES}/{name})\n'
