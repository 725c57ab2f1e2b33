"""The page's table of all trained networks, with links to what they left."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from elth_jax.families import pretty
from elth_jax.report.styles import Series
from elth_jax.report.summary import Cell, Row, label_of
from elth_jax.study.nodes import Node
from elth_jax.workdir.trained import ticket_path


@dataclasses.dataclass(frozen=True)
class TrainedRun:
  """One trained network.

  Attributes:
    anchor: its row's id, if it is the first of a cell; else empty.
    series: its line.
    target: the network, to read.
    level: of IMP.
    replicate: from 0.
    sparsity: share of zeros, 0 to 1.
    accuracy: of the test images, 0 to 1.
    name: of the run.
    links: what they lead to -> path, relative to the workdir.
  """

  anchor: str
  series: Series
  target: str
  level: int
  replicate: int
  sparsity: float
  accuracy: float
  name: str
  links: Mapping[str, str]


def anchors(found: Sequence[Cell]) -> dict[tuple[str, str, int], str]:
  """Target, label and level -> id of the row of its first run."""
  return {
    (cell.target, cell.label, cell.level): f'cell-{number}'
    for number, cell in enumerate(found)
    if cell.accuracy
  }


def trained_runs(
  rows: Sequence[Row],
  nodes: Mapping[str, Node],
  series: Mapping[str, Series],
  ids: Mapping[tuple[str, str, int], str],
) -> list[TrainedRun]:
  """A row for each trained network that belongs to a cell.

  Args:
    rows: of results.csv.
    nodes: the study's graph.
    series: label -> its line.
    ids: of `anchors`.
  """
  made, seen = [], set()
  for row in rows:
    label = label_of(row)
    cell = row['target'], label, row['level']
    if cell not in ids:
      continue
    made.append(
      TrainedRun(
        '' if cell in seen else ids[cell],
        series[label],
        pretty(row['target']),
        row['level'],
        row['replicate'],
        row['sparsity'],
        row['test_accuracy'],
        row['node'],
        _links(row['node'], nodes),
      )
    )
    seen.add(cell)
  return made


def _links(run: str, nodes: Mapping[str, Node]) -> dict[str, str]:
  folder = f'runs/{quote(run)}'
  links = {
    'result': f'{folder}/result.json',
    'network': f'{folder}/trained.safetensors',
    'manifest': f'{folder}/manifest.json',
  }
  if run in nodes and (ticket := nodes[run].parents.get('ticket')):
    links['ticket'] = quote(ticket_path(Path(), ticket).as_posix())
  return links
