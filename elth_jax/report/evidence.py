"""What a finished study found, from its workdir or from what a page kept.

A page keeps of each study what it was written from, in a folder with
config.json and results.csv, as the workdir has them, and evidence.json with
the rest. The page and its figures can be written again from these folders.
"""

import csv
import dataclasses
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from elth_jax.datasets import DatasetError
from elth_jax.names import slug
from elth_jax.process.text import counted
from elth_jax.reading import as_json
from elth_jax.report.layers import layer_sparsities
from elth_jax.report.results import (
  COLUMNS,
  of_targets,
  to_csv,
  with_accuracy,
  with_seconds,
  without_result,
)
from elth_jax.storage import manifest
from elth_jax.storage.files import write_atomically
from elth_jax.study import data
from elth_jax.study.graph import build
from elth_jax.study.spec import StudySpec
from elth_jax.workdir import history, outputs
from elth_jax.workdir.metrics import machine_seconds
from elth_jax.workdir.outputs import CONFIG
from elth_jax.workdir.record import read_record
from elth_jax.workdir.store import RESULT, Store

RESULTS, EVIDENCE = 'results.csv', 'evidence.json'
NUMBERS = {
  'level': int,
  'replicate': int,
  'width': int,
  'sparsity': float,
  'test_accuracy': float,
  'train_flops': float,
  'search_flops': float,
}
Row = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Evidence:
  """What one study found.

  Attributes:
    spec: what was asked for.
    rows: of results.csv, but for runs that diverged.
    diverged: columns of results.csv of runs without a result.
    barriers: what a pair of trainings is about, and its barrier, 0 to 1.
    layers: what a ticket is about, `first` or `last`, share of zeros there.
    seconds: node -> how long its training and its search took.
    ran: the command, and with what it ran.
    test_images: how many there are; 0 if that is not known.
    classes: likewise.
  """

  spec: StudySpec
  rows: Sequence[Row]
  _: dataclasses.KW_ONLY
  diverged: Sequence[Row] = ()
  barriers: Sequence[tuple[Row, float]] = ()
  layers: Sequence[tuple[Row, str, float]] = ()
  seconds: Mapping[str, tuple[float, float]] = dataclasses.field(
    default_factory=dict
  )
  ran: str = ''
  test_images: int = 0
  classes: int = 0

  @property
  def name(self) -> str:
    """Of its files: the title, the scale and the first seed."""
    paper = self.spec.paper
    seed = f'-seed{self.spec.seed}' if self.spec.seed else ''
    return f'{slug(paper.title)}-{slug(paper.scale)}{seed}'

  @property
  def timed(self) -> list[dict[str, Any]]:
    """The rows whose times are known, with them."""
    return [
      {
        **row,
        'train_seconds': self.seconds[row['node']][0],
        'search_seconds': self.seconds[row['node']][1],
      }
      for row in self.rows
      if row['node'] in self.seconds
    ]


def read(folder: Path) -> Evidence:
  """Reads a workdir, or a folder that `save` wrote.

  Raises:
    FileNotFoundError: if it has no config or results.
    ValueError: if they are damaged, or the config names no paper.
    DamagedError: if a product of the workdir is damaged.
  """
  spec = _spec(folder)
  all_rows = read_rows(folder / RESULTS)
  rows = with_accuracy(all_rows)
  if (folder / EVIDENCE).is_file():
    kept = json.loads((folder / EVIDENCE).read_bytes())
    # earlier versions did not keep them
    return Evidence(spec, rows, **{**_of_data(spec), **kept})
  diverged = [row['node'] for row in all_rows if row.get('diverged_at')]
  return _of_workdir(folder, spec, rows, diverged)


def save(found: Evidence, into: Path) -> None:
  """Keeps what a page needs, as text.

  Args:
    found: of one study.
    into: a folder for all studies; this one gets a folder in it.
  """
  folder = into / found.name
  folder.mkdir(parents=True, exist_ok=True)
  write_atomically(folder / CONFIG, manifest.to_json(as_json(found.spec)))
  write_atomically(folder / RESULTS, to_csv(found.rows))
  kept = {
    field.name: getattr(found, field.name)
    for field in dataclasses.fields(found)
    if field.name not in ('spec', 'rows')
  }
  write_atomically(folder / EVIDENCE, manifest.to_json(kept))


def pooled(studies: Iterable[Evidence]) -> list[Evidence]:
  """Studies that differ in seeds and replicates alone, as one.

  They may differ in `analyses.doubled` too, which adds networks and changes
  none. A replicate is then known by its seed, and counts once.

  Raises:
    ValueError: naming the run, if two studies trained it in two ways, as when
      its method was mended between them.
  """
  groups: dict[str, list[Evidence]] = {}
  for study in studies:
    config = as_json(study.spec)
    del config['seed'], config['replicates'], config['analyses']['doubled']
    groups.setdefault(json.dumps(config, sort_keys=True), []).append(study)
  return [_merged(group) for group in groups.values()]


def _merged(parts: Sequence[Evidence]) -> Evidence:
  if len(parts) == 1:
    return parts[0]
  seen: dict[tuple[int, str], Row] = {}
  diverged: dict[tuple[int, str], Row] = {}
  for part in parts:
    for row in part.rows:
      first = seen.setdefault(_place(row, part), _by_seed(row, part))
      if first['key'] != row['key']:
        raise ValueError(
          f'{parts[0].spec.paper.title}: {row["node"]} of seed '
          f'{part.spec.seed} was trained twice, in two ways; leave out the '
          'older of the two workdirs'
        )
    diverged |= {_place(r, part): _by_seed(r, part) for r in part.diverged}
  rows = list(seen.values())
  diverged = {p: row for p, row in diverged.items() if p not in seen}
  kept = {row['node'] for row in rows}
  replicates = {row['replicate'] for row in (*rows, *diverged.values())}
  spec = dataclasses.replace(
    parts[0].spec,
    replicates=len(replicates),
    seed=min(part.spec.seed for part in parts),
  )
  return Evidence(
    spec,
    rows,
    diverged=list(diverged.values()),
    barriers=[
      (_by_seed(about, part), barrier)
      for part in parts
      for about, barrier in part.barriers
    ],
    layers=[
      (_by_seed(about, part), which, share)
      for part in parts
      for about, which, share in part.layers
    ],
    seconds={
      name: times
      for part in parts
      for node, times in part.seconds.items()
      if (name := _node_by_seed(node, part)) in kept
    },
    ran=_all_ran(part.ran for part in parts),
    test_images=parts[0].test_images,
    classes=parts[0].classes,
  )


def _all_ran(texts: Iterable[str]) -> str:
  """How the parts of a study were run, as one sentence; or empty."""
  distinct = dict.fromkeys(text.rstrip('.') for text in texts if text)
  return '; '.join(distinct) + '.' * bool(distinct)


def _by_seed(row: Row, part: Evidence) -> dict[str, Any]:
  new = {**row, 'replicate': row['replicate'] + part.spec.seed}
  if 'node' in row:
    new['node'] = _node_by_seed(row['node'], part)
  return new


def _place(row: Row, part: Evidence) -> tuple[int, str]:
  """The seed of a run, and its name but for the replicate."""
  name = row['node'].replace(f'-r{row["replicate"]}-', '-', 1)
  return row['replicate'] + part.spec.seed, name


def _node_by_seed(node: str, part: Evidence) -> str:
  return f'seed {part.spec.seed}: {node}'


def read_rows(path: Path) -> list[dict[str, Any]]:
  """The rows of a results.csv, with numbers as numbers.

  Raises:
    FileNotFoundError: if the study has no results yet.
    ValueError: naming the file, if it is damaged.
  """
  try:
    with path.open(newline='', encoding='utf-8') as file:
      reader = csv.DictReader(file)
      missing = set(COLUMNS) - set(reader.fieldnames or ()) - {'diverged_at'}
      if missing:
        raise ValueError(
          f'it lacks {", ".join(sorted(missing))}; start the study again, '
          'which writes it anew'
        )
      return [
        {
          'diverged_at': '',  # earlier versions left such runs out
          **{name: _parsed(name, value, row) for name, value in row.items()},
        }
        for row in reader
      ]
  except FileNotFoundError:
    raise FileNotFoundError(f'{path} is missing; run the study first') from None
  except (ValueError, TypeError) as error:
    raise ValueError(f'{path} is damaged: {error}') from error


def _parsed(name: str, value: str, row: Row) -> Any:
  """A cell's value; a run that diverged has no accuracy."""
  if name == 'test_accuracy' and row.get('diverged_at'):
    return math.nan
  return NUMBERS.get(name, str)(value)


def _spec(folder: Path) -> StudySpec:
  path = folder / CONFIG
  if not path.is_file():
    raise FileNotFoundError(f'{folder} is no workdir: it has no {CONFIG}')
  try:
    spec = StudySpec.from_config(json.loads(path.read_bytes()))
  except ValueError as error:
    raise ValueError(f'{path}: {error}') from error
  if not spec.paper.title:
    raise ValueError(f'{path} names no paper; give workdirs of experiments/')
  return spec


def _of_workdir(
  folder: Path, spec: StudySpec, rows: Sequence[Row], diverged: Sequence[str]
) -> Evidence:
  nodes = build(spec, data.outline(spec))
  failed = {*outputs.inspect(folder).failed, *diverged}
  for name, node in nodes.items():  # parents come first
    if failed.intersection(node.parents.values()):
      failed.add(name)
  seconds = machine_seconds(folder / 'metrics.jsonl')
  store = Store(folder, writable=False)
  return Evidence(
    spec,
    rows,
    diverged=of_targets(without_result(nodes, failed), spec),
    barriers=[
      (  # a record may name another replicate, of the study that made it
        {**read_record(path), **nodes[path.name].subject.columns()},
        json.loads(manifest.read_file(path, RESULT))['barrier'],
      )
      for path in sorted((folder / 'runs').glob('*-connectivity'))
      if path.name in nodes
    ],
    layers=list(layer_sparsities(spec, nodes, store, failed)),
    seconds={
      row['node']: (row['train_seconds'], row['search_seconds'])
      for row in with_seconds(of_targets(rows, spec), nodes, seconds)
    },
    ran=_ran(folder),
    **_of_data(spec),
  )


def _of_data(spec: StudySpec) -> dict[str, Any]:
  """Of the data set that networks are trained on; empty if not known here."""
  try:
    found = data.outline(spec)[spec.dataset]
  except (DatasetError, ValueError):
    return {}
  return {'test_images': found.test_examples, 'classes': found.classes}


def _ran(workdir: Path) -> str:
  """The command, and with what it ran."""
  starts = history.starts(workdir / history.NAME)
  whole = [start for start in starts if start]
  if not whole:
    return ''
  last = whole[-1]
  made_with = last['ground']
  options = [
    word
    for word in last['command'].split()
    if word.startswith('--config') and not _is_of_the_machine(word)
  ]
  command = ' '.join(['python -m elth_jax.main', *options])
  return (
    f'`{command}`, {_devices(made_with["devices"])}, jax {made_with["jax"]}, '
    f'{counted(len(starts), "start")}.'
  )


def _is_of_the_machine(option: str) -> bool:
  return option.startswith(('--config.dry_run', '--config.reuse'))


def _devices(found: str) -> str:
  """`2 cpu`, as the history has it, in words: `2 cpu devices`."""
  count, _, kind = found.partition(' ')
  return counted(int(count), f'{kind} device')
