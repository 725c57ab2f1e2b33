"""Means over replicates, and what the differences between methods support."""

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from scipy import stats

from elth_jax import datasets
from elth_jax.families import pretty
from elth_jax.methods import METHODS
from elth_jax.transfers import in_words

Row = Mapping[str, Any]
Verdict = Literal['supported', 'contradicted', 'undecided']
CONFIDENCE = 0.95


@dataclasses.dataclass(frozen=True)
class Cell:
  """One method on one target at one level, over its replicates.

  Attributes:
    target: the network trained.
    label: the method, with its source and order where it has one.
    method: as in results.csv.
    level: of IMP; 0 is dense.
    sparsity: mean share of zeros, 0 to 1.
    accuracy: test accuracy by replicate number, 0 to 1.
    source: the network that the ticket was found in.
    order: the rule by which it was transformed, if it was.
    dataset: the one that it was found in, if that is not the target's.
  """

  target: str
  label: str
  method: str
  level: int
  sparsity: float
  accuracy: Mapping[int, float]
  source: str = ''
  order: str = ''
  dataset: str = ''

  @property
  def origin(self) -> str:
    """The network that the ticket was found in, and the data set, to read."""
    where = f' on {datasets.pretty(self.dataset)}' if self.dataset else ''
    return pretty(self.source) + where

  @property
  def mean(self) -> float:
    return float(np.mean(list(self.accuracy.values())))

  @property
  def std(self) -> float:
    """Sample standard deviation; 0 for a single replicate."""
    values = list(self.accuracy.values())
    return float(np.std(values, ddof=1)) if len(values) > 1 else 0.0


@dataclasses.dataclass(frozen=True)
class Comparison:
  """Whether one method is more accurate than another, by a paired t-test.

  Attributes:
    better: the cell that is claimed to be better.
    worse: the other one, of the same target and level.
    difference: mean over replicates of their difference in accuracy.
    margin: half the width of its 95% confidence interval.
    verdict: `supported` if the interval lies above 0, `contradicted` if below.
  """

  better: Cell
  worse: Cell
  difference: float
  margin: float
  verdict: Verdict


def label_of(row: Row) -> str:
  """How a method is called in tables and legends."""
  if row['method'] not in METHODS:
    return row['method'].capitalize()
  method = METHODS[row['method']]
  if not method.from_source:
    return method.label
  source, order = pretty(row['source']) + in_words(row), row['order']
  if row['method'] == 'ett':
    return f'{method.label} from {source}' + (
      '' if order == 'squeeze' else f' ({order})'
    )
  return f'{method.label} ({source}, {order})'


def cells(rows: Iterable[Row]) -> list[Cell]:
  """One cell for each target, method and level, in the order of the rows."""
  groups: dict[tuple, list[Row]] = {}
  for row in rows:
    identity = row['target'], label_of(row), row['method'], row['level']
    groups.setdefault(identity, []).append(row)
  return [
    Cell(
      *identity,
      sparsity=float(np.mean([row['sparsity'] for row in group])),
      accuracy={row['replicate']: row['test_accuracy'] for row in group},
      source=group[0]['source'],
      order=group[0]['order'],
      dataset=group[0].get('source_dataset', ''),
    )
    for identity, group in groups.items()
  ]


def barriers(
  connected: Iterable[tuple[Mapping[str, Any], float]],
) -> list[Cell]:
  """Cells of the largest drop of accuracy between two trainings of a ticket.

  Claims name them by `barrier_` and the method, and published numbers too.

  Args:
    connected: what a `connect` node is about, and its barrier, 0 to 1.
  """
  groups: dict[tuple, list[tuple[Mapping[str, Any], float]]] = {}
  for about, value in connected:
    label = label_of({'order': '', **about})
    identity = about['target'], label, about['method'], about['level']
    groups.setdefault(identity, []).append((about, value))
  return [
    Cell(
      target,
      label,
      f'barrier_{method}',
      level,
      sparsity=math.nan,
      accuracy={about['replicate']: value for about, value in group},
      source=group[0][0]['source'],
      order=group[0][0].get('order', ''),
    )
    for (target, label, method, level), group in groups.items()
  ]


def compare(better: Cell, worse: Cell) -> Comparison:
  """The paired difference of two cells over the replicates both have."""
  shared = sorted(better.accuracy.keys() & worse.accuracy.keys())
  mean, margin = interval(
    [better.accuracy[r] - worse.accuracy[r] for r in shared]
  )
  verdict: Verdict = 'undecided'
  if abs(mean) > margin:
    verdict = 'supported' if mean > 0 else 'contradicted'
  return Comparison(better, worse, mean, margin, verdict)


def interval(values: Sequence[float]) -> tuple[float, float]:
  """Mean, and half the width of its 95% interval by Student's t.

  The width is infinite for a single value.
  """
  mean, margin = float(np.mean(values)), math.inf
  if len(values) > 1:
    spread = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    quantile = stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1)
    margin = spread * float(quantile)
  return mean, margin


def claims(found: Sequence[Cell]) -> list[Comparison]:
  """The orderings that E-LTH claims, wherever both sides were trained.

  IMP and every ETT against Reinit, Random and one-shot pruning, on each target
  at each level.
  """
  return [
    compare(better, worse)
    for better in found
    if better.method in ('imp', 'ett')
    for worse in found
    if worse.method in METHODS
    and METHODS[worse.method].claimed_worse
    and (worse.target, worse.level) == (better.target, better.level)
  ]


def transfers(found: Sequence[Cell]) -> dict[tuple[str, str], Comparison]:
  """(origin, target) -> its elastic ticket against the target's own IMP.

  Both as people read them.

  At the last level at which both were trained; of several orders, the first.
  """
  own = {(c.target, c.level): c for c in found if c.method == 'imp'}
  moved = [
    cell
    for cell in found
    if cell.method == 'ett' and (cell.target, cell.level) in own
  ]
  last = max((cell.level for cell in moved), default=0)
  matrix: dict[tuple[str, str], Comparison] = {}
  for cell in moved:
    if cell.level == last:
      pair = cell.origin, pretty(cell.target)
      matrix.setdefault(pair, compare(cell, own[cell.target, last]))
  return matrix


def to_text(rows: Sequence[Row], fit: Callable[[str], str] = str) -> str:
  """Test accuracy in %, mean and deviation, for a terminal.

  Args:
    rows: of results.csv.
    fit: puts a cell's text in the terminal's characters, before columns are
      aligned.
  """
  found = cells(rows)
  several = any(len(cell.accuracy) > 1 for cell in found)
  lines = []
  for target, levels, table in tables(found):
    about = ' (sd over replicates)' if several else ''
    lines += ['', f'{pretty(target)}: test accuracy, %{about}']
    wide = max(32, *(len(label) + 1 for label, _ in table))
    head = ''.join(f'{name:>15}' for name in levels)
    lines.append(f'{"sparsity of IMP":<{wide}}{head}')
    lines += [
      f'{label:<{wide}}' + ''.join(f'{fit(text(cell)):>15}' for cell in row)
      for label, row in table
    ]
  return '\n'.join(lines)


def tables(
  found: Sequence[Cell],
) -> list[tuple[str, list[str], list[tuple[str, list[Cell | None]]]]]:
  """For each target: column heads, and a row of cells for each method.

  The columns are the dense network and the levels at which methods are
  compared (all levels where only IMP ran).
  """
  result = []
  for target in dict.fromkeys(cell.target for cell in found):
    mine = [cell for cell in found if cell.target == target]
    compared = {c.level for c in mine if c.method not in ('imp', 'dense')}
    levels = sorted(compared or {c.level for c in mine if c.level})
    labels = dict.fromkeys(cell.label for cell in mine if cell.level)
    by = {(cell.label, cell.level): cell for cell in mine}
    # ETT's drifts, so it is the last to speak for a level
    known = sorted(mine, key=lambda c: c.method != 'ett')
    nominal = {cell.level: cell.sparsity for cell in known}
    heads = ['dense'] + [f'{nominal[k]:.2%}' for k in levels]
    rows = [
      (label, [by.get((label, level)) for level in levels]) for label in labels
    ]
    dense = by.get(('Dense', 0))
    table = [('Dense', [dense] + [None] * len(levels))]
    table += [(label, [None, *row]) for label, row in rows if any(row)]
    result.append((target, heads, table))
  return result


def text(cell: Cell | None) -> str:
  """Mean and deviation in %; of a single replicate, its accuracy."""
  if cell is None:
    return ''
  std = 100 * cell.std if len(cell.accuracy) > 1 else math.nan
  return f'{100 * cell.mean:.2f}{spread(std)}'


def spread(points: float) -> str:
  """A deviation or margin behind its mean: ` ± 1.20`.

  Empty for what a single replicate cannot tell, which is not finite.
  """
  return f' ± {points:.2f}' if math.isfinite(points) else ''
