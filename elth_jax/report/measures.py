"""Cells of what is measured beside accuracy, for claims to name.

`study.sides.MEASURES` has their names and units. A cell's values are a
hundredth of what they are in their unit, as accuracies are a hundredth of
what they are in percent.
"""

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from elth_jax.report.amortisation import (
  Cost,
  amortise,
  hours_of,
  training_times,
)
from elth_jax.report.summary import Cell, Row, cells
from elth_jax.study.spec import StudySpec

ALL = 'all'  # targets together


def barriers(
  connected: Iterable[tuple[Mapping[str, Any], float]],
) -> list[Cell]:
  """Cells of the largest drop of accuracy between two trainings of a ticket.

  Args:
    connected: what a `connect` node is about, and its barrier, 0 to 1.
  """
  rows = [
    {'order': '', **about, 'test_accuracy': value, 'sparsity': math.nan}
    for about, value in connected
  ]
  return [_measured('barrier', cell) for cell in cells(rows)]


def layers(found: Iterable[tuple[Mapping[str, Any], str, float]]) -> list[Cell]:
  """Cells of the sparsity of the first and the last layer.

  Args:
    found: what a ticket is about, `first` or `last`, share of zeros.
  """
  groups: dict[str, list[Row]] = {}
  for about, measure, value in found:
    row = {'order': '', **about, 'test_accuracy': value, 'sparsity': math.nan}
    groups.setdefault(measure, []).append(row)
  return [
    _measured(measure, cell)
    for measure, rows in groups.items()
    for cell in cells(rows)
  ]


def sparsities(rows: Sequence[Row]) -> list[Cell]:
  """Cells of the share of zeros of what was trained."""
  changed = [{**row, 'test_accuracy': row['sparsity']} for row in rows]
  return [_measured('sparsity', cell) for cell in cells(changed)]


def drops(found: Sequence[Cell]) -> list[Cell]:
  """Cells of how far sparse networks fall below the dense one, by replicate."""
  dense = {c.target: c.accuracy for c in found if c.method == 'dense'}
  lost = []
  for cell in found:
    beside = dense.get(cell.target, {})
    values = {r: beside[r] - v for r, v in cell.accuracy.items() if r in beside}
    if cell.method != 'dense' and values:
      drop = _measured('drop', cell)
      # the dense accuracy is rounded too
      step = math.sqrt(2) * cell.resolution
      lost.append(dataclasses.replace(drop, accuracy=values, resolution=step))
  return lost


def costs(
  rows: Sequence[Row],
  spec: StudySpec,
  timed: Sequence[Row] = (),
  lost: Sequence[Row] = (),
) -> list[Cell]:
  """Cells of the cost of all targets together, at each compared level.

  Args:
    rows: of results.csv.
    spec: the study.
    timed: the rows whose seconds are known; see `results.with_seconds`.
    lost: columns of results.csv of runs without a result.
  """
  found = []
  for level in spec.compare_levels:
    found += _totals('cost', [*rows, *lost], level, amortise)
    found += _totals('hours', [*timed, *lost], level, _hours)
  return found


def _hours(rows: Sequence[Row], level: int, replicate: int) -> list[Cost]:
  return hours_of(training_times(rows, level, replicate))


def _totals(
  measure: str,
  rows: Sequence[Row],
  level: int,
  costs_of: Callable[[Sequence[Row], int, int], list[Cost]],
) -> list[Cell]:
  """A cell for each method, of its total by replicate."""
  values: dict[str, dict[int, Cost]] = {}
  for replicate in sorted({row['replicate'] for row in rows}):
    for cost in costs_of(rows, level, replicate):
      values.setdefault(cost.label, {})[replicate] = cost
  return [
    Cell(
      target=ALL,
      label=label,
      method=f'{measure}_{some[min(some)].method}',
      level=level,
      sparsity=math.nan,
      accuracy={r: cost.total / 100 for r, cost in some.items()},
      source=some[min(some)].source,
      exact=measure == 'cost',  # FLOPs are counted
      ticket=f'{measure} {label}',
    )
    for label, some in values.items()
  ]


def dense_hours(timed: Sequence[Row]) -> list[Cell]:
  """Cells of how long one dense training of each target takes."""
  rows = [
    {**row, 'test_accuracy': row['train_seconds'] / 3600 / 100}
    for row in timed
    if row['method'] == 'dense'
  ]
  return [_measured('hours', cell) for cell in cells(rows)]


def _measured(measure: str, cell: Cell) -> Cell:
  return dataclasses.replace(
    cell,
    method=f'{measure}_{cell.method}',
    sparsity=math.nan,
    diverged=(),
    resolution=0.0,
    chance=0.0,
  )


def all_measures(
  found: Sequence[Cell],
  rows: Sequence[Row],
  spec: StudySpec,
  timed: Sequence[Row] = (),
  lost: Sequence[Row] = (),
) -> list[Cell]:
  """What results.csv and the log of a study tell beside accuracy."""
  return [
    *sparsities(rows),
    *drops(found),
    *costs(rows, spec, timed, lost),
    *dense_hours(timed),
  ]
