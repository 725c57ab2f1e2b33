"""What was reproduced, claim by claim: a page from finished workdirs."""

import collections
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from elth_jax import datasets
from elth_jax.families import pretty
from elth_jax.process import devices
from elth_jax.process.text import counted
from elth_jax.report import (
  analysis_figures,
  budget,
  comparison,
  computed,
  evidence,
  figures,
  hypothesis,
  measures,
  overview,
  summary,
)
from elth_jax.report.amortisation import cost_name, training_times
from elth_jax.report.evidence import Evidence
from elth_jax.report.headline import ELASTIC, headline
from elth_jax.report.overview import Judged, Stated, read_list
from elth_jax.report.results import of_targets
from elth_jax.report.styles import series_of
from elth_jax.report.summary import Cell, Row, spread
from elth_jax.report.verdicts import Judgement, beside, judge_all
from elth_jax.storage.files import local_path, write_atomically
from elth_jax.study import scope
from elth_jax.study.analysis_nodes import DOUBLED
from elth_jax.study.claims import Claim
from elth_jax.study.estimate import duration

PAGE, FIGURES, KEPT = 'reproduction.md', 'figures/reproduction', 'results'
HEAD = """# What was reproduced

Written by `python -m elth_jax.reproduction`, from finished studies; nothing
here is typed by hand. What it was written from is in [results](results), and
`python -m elth_jax.reproduction docs/results/* --into=docs` writes it again,
with all figures.

`A > B`: A is more accurate, by the mean over all targets and levels that the
claim speaks of, or in each of them where it says `everywhere`; a two-sided test
at 5%. `A >= B within d`: A is behind by no more than d points, likewise, by a
one-sided test. Neither is supported if one target and level alone contradicts
it. `A ~ B within d`: they differ by no more, in each of them, by two one-sided
tests at 5%; it is contradicted by a two-sided one. Margins are the papers', in
points, and weigh more where networks err less. Tests are over replicates, which
differ in their seeds, on one split of the data: Student's t where both sides go
back to one ticket, and Welch's elsewhere. P-values are corrected for all claims
of a study (Holm), those of matched tickets apart. Intervals are of 95%, for `~`
and `>=` of 90%. A diverged network counts as 0% accurate. Replicates that agree
by chance do not count as certain: a variance is at least that of rounding to
whole test images. A number behind `at` is a level of IMP, or with a point a
sparsity, the share of zeros.
"""


def write(
  workdirs: Sequence[Path | str],
  into: Path | str,
  claims: Path | str | None = None,
) -> Path:
  """Writes the page, its figures and what it was written from.

  Args:
    workdirs: of finished studies, or folders that an earlier page kept.
    into: where the page goes.
    claims: the list of all claims, of which the page shows what became; see
      `overview.read_list`.

  Returns:
    Where the page is.

  Raises:
    FileNotFoundError: if a workdir has no config or results.
    ValueError: if its config is damaged, or names no paper; or if a path is
      not on this machine.
    devices.DeviceError: if JAX cannot use the devices it is told to use.
  """
  into = local_path(into, '--into')
  folders = [local_path(workdir, 'workdir') for workdir in workdirs]
  listed = read_list(local_path(claims, '--claims')) if claims else []
  devices.require()  # networks are traced to know what took which time
  parts = [evidence.read(folder) for folder in folders]
  _check_names(folders, parts)
  studies = evidence.pooled(parts)
  stated: list[Stated] = []
  texts: list[str] = []
  unconverged: list[str] = []
  unknown: list[str] = []
  elastic: list[tuple[str, list[Cell], budget.Gate | None]] = []
  for study in studies:
    found = _cells(study)
    some = judge_all(study.spec.paper, found, study.spec.prune_fraction)
    paper = study.spec.paper
    stated += [Stated(paper.title, paper.scale, *one) for one in some]
    gate = _gate(study, studies)
    name = f'{paper.title} ({paper.scale})'
    if budget.outgrown(found) or (gate and gate.failed):
      unconverged.append(name)
    elif not (gate and gate.passed):
      unknown.append(name)
    elastic.append((name, found, gate))
    texts += _study(study, found, some, gate, into)
  for part in parts:
    evidence.save(part, into / KEPT)
  pairs = hypothesis.tested(elastic)
  costs = computed.costs() if listed else []
  page = [
    HEAD,
    *overview.in_short(stated, unconverged, unknown),
    *hypothesis.section(pairs),
    *overview.table(stated, listed, {cost.claim for cost in costs}),
    *overview.undecided(stated),
    *(computed.section(costs) if costs else ()),
    *texts,
    *hypothesis.all_pairs(pairs),
  ]
  write_atomically(into / PAGE, '\n'.join(page))
  return into / PAGE


def _check_names(folders: Sequence[Path], parts: Sequence[Evidence]) -> None:
  """What is kept of two studies must not be one folder."""
  first: dict[str, tuple[Path, Evidence]] = {}
  for folder, part in zip(folders, parts, strict=True):
    before, other = first.setdefault(part.name, (folder, part))
    if other.spec != part.spec:
      raise ValueError(
        f'{before} and {folder} are two studies of one title, scale and seed; '
        'run one again with another --config.paper.title'
      )


def _cells(study: Evidence) -> list[Cell]:
  """All that claims can speak of."""
  rows = of_targets(study.rows, study.spec)
  accuracies = _accuracies(study)
  return [
    *accuracies,
    *measures.all_measures(accuracies, rows, study.spec, study.timed),
    *measures.barriers(study.barriers),
    *measures.layers(study.layers),
  ]


def _accuracies(study: Evidence) -> list[Cell]:
  rows = of_targets(study.rows, study.spec)
  return summary.cells(rows, study.diverged, study.test_images, study.classes)


def _study(
  study: Evidence,
  found: Sequence[Cell],
  judged: Sequence[Judged],
  gate: budget.Gate | None,
  into: Path,
) -> Iterator[str]:
  """One study as Markdown."""
  paper, accuracies = study.spec.paper, _accuracies(study)
  yield f'## {paper.title}, scale: {paper.scale}\n'
  yield _about(study)
  if gate:
    yield f'{gate}\n'
  yield from _guesses(accuracies)
  yield from _claims(judged, found, study.spec.prune_fraction)
  yield from _tables(accuracies)
  yield from _published(study, found)
  yield from _barrier_table(measures.barriers(study.barriers))
  yield from _times(study, accuracies)
  yield from _figures(study, accuracies, into)


def _guesses(found: Sequence[Cell]) -> Iterator[str]:
  """Which networks are no better than chance."""
  lines = series_of(found)
  some = [
    f'{lines[cell.label].name} on {pretty(cell.target)}, level {cell.level}: '
    f'{cell.at_chance} of {len(cell.accuracy)}'
    for cell in found
    if cell.at_chance
  ]
  if some:
    yield f'No better than chance are {"; ".join(some)}.\n'


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
    f'{sum(row["train_flops"] for row in rows):.1e} FLOPs. {study.ran}\n'
  )


def _gate(study: Evidence, studies: Sequence[Evidence]) -> budget.Gate | None:
  rows = of_targets(study.rows, study.spec)
  return budget.gate([*rows, *_doubled(rows, studies)])


def _doubled(rows: Sequence[Row], studies: Sequence[Evidence]) -> list[Row]:
  """Longer trainings of the same dense networks, in whichever study they are.

  The same are those of equal keys.
  """
  if any(row['method'] == DOUBLED for row in rows):
    return []
  own = {r['key']: r['replicate'] for r in rows if r['method'] == 'dense'}
  found = {}
  for other in studies:
    same = {
      (row['target'], row['replicate']): own[row['key']]
      for row in other.rows
      if row['key'] in own
    }
    for row in other.rows:
      place = row['target'], row['replicate']
      if row['method'] == DOUBLED and place in same:
        found[row['key']] = {**row, 'replicate': same[place]}
  return list(found.values())


def _claims(
  judged: Sequence[Judged], found: Sequence[Cell], fraction: float
) -> Iterator[str]:
  tested = [(claim, one) for claim, one in judged if one]
  if tested:
    yield '| claim | pairs | difference | worst pair | sparsity | verdict |'
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
  return f'{100 * pair.difference:+.2f}, {pretty(pair.better.target)}'


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
  return 'no such two sides at this scale'


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
  costs = training_times(study.timed, level)
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
