"""What tickets cost when several networks need one."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from elth_jax.methods import METHODS
from elth_jax.report.styles import Series
from elth_jax.report.summary import Cell, Row, label_of
from elth_jax.transfers import in_words


@dataclasses.dataclass(frozen=True)
class Cost:
  """One way to get a sparse network of every target.

  Attributes:
    label: the method, with its source where it has one.
    search: finding the tickets; a source's search counts once for all targets.
      In whatever unit was asked for, as is `runs`.
    runs: training them, one for each target; of a source's ticket also on the
      source, if that was trained.
    accuracy: mean test accuracy by target, 0 to 1.
    method: as in results.csv.
    source: the network that the ticket was found in, if the method has one.
  """

  label: str
  search: float
  runs: float
  accuracy: Mapping[str, float]
  method: str = ''
  source: str = ''

  @property
  def total(self) -> float:
    return self.search + self.runs


def amortise(
  rows: Sequence[Row], level: int, replicate: int | None = None
) -> list[Cost]:
  """The cost of each method over all its targets, cheapest first.

  In units of one dense training of the largest target, by training FLOPs at
  the actual densities; means over replicates. A replicate of a method counts
  if it has a result for every target.

  Args:
    rows: of results.csv, and columns of runs without a result.
    level: of IMP.
    replicate: the only one that counts; all by default.

  References:
    Chen et al. 2021, table 2.
  """
  dense = [
    row['train_flops'] + row['search_flops']
    for row in rows
    if row['method'] == 'dense' and 'train_flops' in row
  ]
  if not dense:
    return []
  return _costs(rows, level, 'flops', max(dense), replicate)


def training_times(
  rows: Sequence[Row], level: int, replicate: int | None = None
) -> list[Cost]:
  """The same in seconds of the machine, where they are known.

  Pruned weights are not skipped, so time does not fall with sparsity.

  Args:
    rows: of `results.with_seconds`, and columns of runs without a result.
    level: of IMP.
    replicate: as for `amortise`.

  References:
    Chen et al. 2021, appendix B.
  """
  return _costs(rows, level, 'seconds', 1.0, replicate)


def hours_of(costs: Sequence[Cost]) -> list[Cost]:
  """Costs in seconds, in hours."""
  return [
    dataclasses.replace(c, search=c.search / 3600, runs=c.runs / 3600)
    for c in costs
  ]


def cost_name(
  cost: Cost, found: Sequence[Cell], lines: Mapping[str, Series]
) -> str:
  """The name of a cost's line, where it has one line alone."""
  names = {
    lines[cell.label].name
    for cell in found
    if cell.method == cost.method
    and (cell.source == cost.source or not cost.source)
  }
  return names.pop() if len(names) == 1 else cost.label


def _costs(
  rows: Sequence[Row],
  level: int,
  measure: str,
  unit: float,
  replicate: int | None,
) -> list[Cost]:
  groups: dict[str, dict[str, list[Row]]] = {}
  for row in rows:
    if row['level'] == level:
      targets = groups.setdefault(_method_of(row), {})
      targets.setdefault(row['target'], []).append(row)
  train, search = f'train_{measure}', f'search_{measure}'
  costs = []
  for label, targets in groups.items():
    first = next(iter(targets.values()))[0]
    if _is_shared(first) and first['source'] not in targets:
      targets.update(_on_itself(first, rows))
    if not (counted := _complete(targets, train, replicate)):
      continue
    costs.append(
      Cost(
        label,
        _search(counted, rows, search) / unit,
        sum(_mean(found, train) for found in counted.values()) / unit,
        {
          name: _mean(found, 'test_accuracy') for name, found in counted.items()
        },
        first['method'],
        first['source'] if _is_shared(first) else '',
      )
    )
  return sorted(costs, key=lambda cost: cost.total)


def _complete(
  targets: Mapping[str, Sequence[Row]], name: str, replicate: int | None
) -> dict[str, list[Row]]:
  """The rows of the replicates that have a value for every target."""
  counted = set.intersection(
    *(
      {row['replicate'] for row in rows if name in row}
      for rows in targets.values()
    )
  )
  if replicate is not None:
    counted &= {replicate}
  return {
    target: [row for row in rows if row['replicate'] in counted]
    for target, rows in targets.items()
    if counted
  }


def _on_itself(row: Row, rows: Sequence[Row]) -> dict[str, list[Row]]:
  """The source's own ticket, trained on the source, if it was."""
  if in_words(row):  # it is from another data set, width or optimiser
    return {}
  own = [
    other
    for other in rows
    if other['method'] == 'imp'
    and other['target'] == row['source']
    and other['level'] == row['level']
  ]
  return {row['source']: own} if own else {}


def _method_of(row: Row) -> str:
  """A label that is the same for stretched and squeezed targets."""
  squeezed = {**row, 'order': 'squeeze'}
  return label_of(squeezed if row['order'] in ('append', 'squeeze') else row)


def _search(
  targets: Mapping[str, Sequence[Row]], rows: Sequence[Row], name: str
) -> float:
  """What all searches cost; one that serves several targets counts once."""
  found = [_mean(some, name) for some in targets.values()]
  if not _is_shared(next(iter(targets.values()))[0]):
    return sum(found)
  own = [_own_search(some, rows, name) for some in targets.values()]
  return max(np.subtract(found, own)) + sum(own)


def _own_search(some: Sequence[Row], rows: Sequence[Row], name: str) -> float:
  """What a source's tickets need of one target itself, which none shares.

  It is what the target's dense network needs, its rewind weights, or what its
  IMP ticket does.
  """
  method = METHODS[some[0]['method']]
  used = set(method.needs) - set(method.count_only)
  if not method.from_source or not used & {'rewind', 'imp'}:
    return 0.0
  of = 'imp' if 'imp' in used else 'dense'
  replicates = {row['replicate'] for row in some}
  found = [
    row
    for row in rows
    if row['method'] == of
    and row['level'] in (0, some[0]['level'])  # a dense network's is 0
    and row['target'] == some[0]['target']
    and row['replicate'] in replicates
    and name in row
  ]
  return _mean(found, name) if found else 0.0


def _is_shared(row: Row) -> bool:
  """Whether one search serves all targets."""
  return row['method'] in METHODS and METHODS[row['method']].from_source


def _mean(rows: Sequence[Mapping[str, Any]], name: str) -> float:
  """Of times the median: the first replicate may have waited for a compiler."""
  values = [row[name] for row in rows]
  return float(
    np.median(values) if name.endswith('_seconds') else np.mean(values)
  )
