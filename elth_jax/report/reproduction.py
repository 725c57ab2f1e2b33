"""What was reproduced, claim by claim: a page from finished workdirs."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from elth_jax import datasets
from elth_jax.families import pretty
from elth_jax.names import slug
from elth_jax.process import devices
from elth_jax.process.text import counted
from elth_jax.report import (
  analysis_figures,
  comparison,
  figures,
  measures,
  summary,
)
from elth_jax.report.amortisation import training_times
from elth_jax.report.results import COLUMNS, of_targets, with_seconds
from elth_jax.report.summary import spread
from elth_jax.report.verdicts import beside, judge_all
from elth_jax.storage import manifest
from elth_jax.storage.files import local_path, write_atomically
from elth_jax.study import data
from elth_jax.study.estimate import duration
from elth_jax.study.graph import build
from elth_jax.study.spec import StudySpec
from elth_jax.workdir import history
from elth_jax.workdir.outputs import CONFIG
from elth_jax.workdir.store import RESULT, machine_seconds

PAGE, FIGURES = 'reproduction.md', 'figures/reproduction'
NUMBERS = {
  'level': int,
  'replicate': int,
  'width': int,
  'sparsity': float,
  'test_accuracy': float,
  'train_flops': float,
}
HEAD = """# What was reproduced

Written by `python -m elth_jax.reproduction`, from finished studies; nothing
here is typed by hand. A claim is tested over replicates: for each, the mean
difference in accuracy over all targets and levels that the claim speaks of,
then a 95% interval of Student's t. `A > B` is supported if the interval lies
above 0 and no target and level alone contradicts it, and contradicted if it
lies below; `A ~ B within d` is supported if it lies within d points, and
contradicted if it lies outside; all else is undecided. Claims whose sides were
not trained at a scale are not tested.
"""


def write(workdirs: Sequence[Path | str], into: Path | str) -> Path:
  """Writes the page and its figures; returns where the page is.

  Raises:
    FileNotFoundError: if a workdir has no config or results.
    ValueError: if its config is damaged, or names no paper; or if a path is
      not on this machine.
    devices.DeviceError: if JAX cannot use the devices it is told to use.
  """
  into = local_path(into, '--into')
  studies = [local_path(workdir, 'workdir') for workdir in workdirs]
  devices.require()  # networks are traced to know what took which time
  parts = [part for workdir in studies for part in _study(workdir, into)]
  write_atomically(into / PAGE, '\n'.join([HEAD, *parts]))
  return into / PAGE


def _study(workdir: Path, into: Path) -> Iterator[str]:
  """One study as Markdown."""
  spec = _spec(workdir)
  rows = read_rows(workdir / 'results.csv')
  found = summary.cells(of_targets(rows, spec))
  paper = spec.paper
  yield f'## {paper.title}, scale: {paper.scale}\n'
  networks = ', '.join(map(pretty, spec.targets))
  on = ', '.join(map(datasets.pretty, spec.source_datasets))
  yield (
    f'{paper.question} {networks} on {datasets.pretty(spec.dataset)}'
    + (f', tickets from {on}' if on else '')
    + (f', {spec.train_examples:,} images' if spec.train_examples else '')
    + (f', width {spec.width}' if spec.width else '')
    + f'; {counted(spec.recipe.epochs, "epoch")}, '
    f'{counted(spec.replicates, "replicate")}, '
    f'{counted(len(rows), "trained network")}, '
    f'{sum(row["train_flops"] for row in rows):.1e} FLOPs. {_ground(workdir)}\n'
  )
  drops = _barriers(workdir)
  yield from _claims(paper, [*found, *drops])
  yield from _tables(found)
  yield from _published(paper, [*found, *drops])
  yield from _barrier_table(drops)
  yield from _times(workdir, spec, rows)
  yield from _figures(spec, found, into)


def _claims(paper, found) -> Iterator[str]:
  if not paper.claims:
    return
  yield '| claim | pairs | difference, points | verdict |'
  yield '| --- | ---: | ---: | --- |'
  for claim, judged in judge_all(paper, found):
    if judged is None:
      yield f'| `{claim}` | 0 | | not tested |'
    else:
      yield (
        f'| `{claim}` | {len(judged.pairs)} | {judged.difference:+.2f}'
        f'{spread(judged.margin)} | **{judged.verdict}** |'
      )
  yield ''


def _tables(found) -> Iterator[str]:
  for target, heads, table in summary.tables(found):
    yield f'| {pretty(target)}, test accuracy in % | ' + (
      ' | '.join(heads) + ' |'
    )
    yield '| --- |' + ' ---: |' * len(heads)
    for label, cells in table:
      texts = ' | '.join(summary.text(cell) for cell in cells)
      yield f'| {label} | {texts} |'
    yield ''


def _published(paper, found) -> Iterator[str]:
  if not paper.published:
    return
  yield '| | level | published, % | ours at this scale, % |'
  yield '| --- | ---: | ---: | ---: |'
  for number, cell in beside(paper.published, found):
    origin = number.side.source and f' from {pretty(number.side.source)}'
    yield (
      f'| {pretty(number.target)}, {number.side.way}{origin} | '
      f'{number.level} | {number.where or f"{number.accuracy:.2f}"} | '
      f'{summary.text(cell)} |'
    )
  yield ''


def _barriers(workdir: Path) -> list:
  """The drops between two trainings of one ticket, where asked for."""
  return measures.barriers(
    (
      manifest.read(folder)['about']['spec']['about'],
      json.loads(manifest.read_file(folder, RESULT))['barrier'],
    )
    for folder in sorted((workdir / 'runs').glob('*-connectivity'))
  )


def _barrier_table(drops) -> Iterator[str]:
  if not drops:
    return
  yield '| two trainings of one ticket | level | largest drop between, points |'
  yield '| --- | ---: | ---: |'
  for cell in drops:
    test = comparison.contrast([(100.0, cell)])
    mean, margin = test.mean, test.margin()
    yield (
      f'| {pretty(cell.target)}, {cell.label} | {cell.level} | '
      f'{mean:.2f}{summary.spread(margin)} |'
    )
  yield ''


def _times(workdir: Path, spec, rows) -> Iterator[str]:
  """How long the machine took, where the study's log says it."""
  seconds = machine_seconds(workdir / 'metrics.jsonl')
  if not seconds:
    return
  nodes = build(spec, data.outline(spec))
  timed = with_seconds(of_targets(rows, spec), nodes, seconds)
  level = max(spec.compare_levels)
  costs = training_times(timed, level)
  if not costs:
    return
  yield f'| time of the machine, level {level} | search | training | in all |'
  yield '| --- | ---: | ---: | ---: |'
  for cost in costs:
    spans = map(duration, (cost.search, cost.runs, cost.total))
    yield f'| {cost.label} | {" | ".join(spans)} |'
  yield ''


def _figures(spec, found, into: Path) -> Iterator[str]:
  drawn = {'accuracy against sparsity': figures.accuracy(spec.targets, found)}
  matrix = comparison.transfers(found)
  if len(matrix) > 1:
    drawn['elastic tickets minus IMP, in points'] = analysis_figures.transfer(
      matrix
    )
  for number, (title, figure) in enumerate(drawn.items(), 1):
    png = io.BytesIO()
    figure.savefig(png, format='png', dpi=90)
    name = f'{slug(spec.paper.title)}-{slug(spec.paper.scale)}-{number}.png'
    write_atomically(into / FIGURES / name, png.getvalue())
    yield f'![{spec.paper.title}: {title}]({FIGURES}/{name})\n'


def _spec(workdir: Path):
  path = workdir / CONFIG
  if not path.is_file():
    raise FileNotFoundError(f'{workdir} is no workdir: it has no {CONFIG}')
  try:
    spec = StudySpec.from_config(json.loads(path.read_bytes()))
  except ValueError as error:
    raise ValueError(f'{path}: {error}') from error
  if not spec.paper.title:
    raise ValueError(f'{path} names no paper; give workdirs of experiments/')
  return spec


def read_rows(path: Path) -> list[dict[str, Any]]:
  """The rows of a results.csv, with numbers as numbers.

  Raises:
    FileNotFoundError: if the study has no results yet.
    ValueError: naming the file, if it is damaged.
  """
  try:
    with path.open(newline='', encoding='utf-8') as file:
      reader = csv.DictReader(file)
      missing = set(COLUMNS) - set(reader.fieldnames or ())
      if missing:
        raise ValueError(
          f'it lacks {", ".join(sorted(missing))}; start the study again, '
          'which writes it anew'
        )
      return [
        {name: NUMBERS.get(name, str)(value) for name, value in row.items()}
        for row in reader
      ]
  except FileNotFoundError:
    raise FileNotFoundError(f'{path} is missing; run the study first') from None
  except (ValueError, TypeError) as error:
    raise ValueError(f'{path} is damaged: {error}') from error


def _ground(workdir: Path) -> str:
  """The command, and with what it ran."""
  starts = history.starts(workdir / history.NAME)
  whole = [start for start in starts if start]
  if not whole:
    return ''
  last = whole[-1]
  ground = last['ground']
  options = [
    word
    for word in last['command'].split()
    if word.startswith('--config') and 'dry_run' not in word
  ]
  command = ' '.join(['python -m elth_jax.main', *options])
  return (
    f'`{command}`, {_devices(ground["devices"])}, jax {ground["jax"]}, '
    f'{counted(len(starts), "start")}.'
  )


def _devices(found: str) -> str:
  """`2 cpu`, as the history has it, in words: `2 cpu devices`."""
  count, _, kind = found.partition(' ')
  return counted(int(count), f'{kind} device')
