"""Means over replicates: a cell for each method, target and level."""

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from elth_jax import datasets
from elth_jax.families import pretty
from elth_jax.methods import METHODS
from elth_jax.study.analysis_nodes import DOUBLED
from elth_jax.transfers import in_words

Row = Mapping[str, Any]
ABOVE_CHANCE = 1.05  # times chance, up to which a network only guesses
# how far below the median a network is that fails where others do not: at least
# so much in accuracy, and so many standard deviations
FAR_BELOW, DEVIATIONS = 0.1, 5
MAD_TO_STD = (
  1.4826  # median absolute deviation to standard deviation, if normal
)


@dataclasses.dataclass(frozen=True)
class Cell:
  """One method on one target at one level, over its replicates.

  Attributes:
    target: the network trained.
    label: the method, with its source and order where it has one.
    method: as in results.csv.
    level: of IMP; 0 is dense.
    sparsity: mean share of zeros, 0 to 1.
    accuracy: test accuracy by replicate number, 0 to 1; of measures, a
      hundredth of what they are in their unit.
    source: the network that the ticket was found in.
    order: the rule by which it was transformed, if it was.
    dataset: the one that it was found in, if that is not the target's.
    home: the target's own data set.
    diverged: numbers of the replicates without a result.
    ticket: what it has in common with others, beside the replicate: the
      ticket that it goes back to.
    exact: whether the values were computed, and do not vary.
    resolution: of an accuracy, what one test image is worth; 0 if that is not
      known, and for other measures.
    chance: the accuracy of guessing; 0 likewise.
    keys: of the rows of results.csv, which tell what was trained.
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
  home: str = ''
  diverged: tuple[int, ...] = ()
  ticket: str = ''
  exact: bool = False
  resolution: float = 0.0
  chance: float = 0.0
  keys: frozenset[str] = frozenset()

  @property
  def at_chance(self) -> int:
    """How many replicates are no better than guessing."""
    if not self.chance:
      return 0
    most = ABOVE_CHANCE * self.chance
    return sum(value <= most for value in self.accuracy.values())

  @property
  def far_below(self) -> list[float]:
    """Accuracies ten points and five deviations below the median of all.

    The deviation is estimated from the median distance to the median, which a
    few networks that fail do not change. Empty for fewer than four replicates.
    """
    values = np.array(list(self.accuracy.values()))
    if len(values) < 4:
      return []
    median = np.median(values)
    deviation = MAD_TO_STD * np.median(np.abs(values - median))
    least = median - max(FAR_BELOW, DEVIATIONS * deviation)
    return [float(value) for value in values if value < least]

  @property
  def outcomes(self) -> dict[int, float]:
    """What comparisons take, by replicate: a diverged network is at 0."""
    return {**self.accuracy, **dict.fromkeys(self.diverged, 0.0)}

  @property
  def origin(self) -> str:
    """The network that the ticket was found in, and the data set, to read."""
    where = f' on {datasets.pretty(self.dataset)}' if self.dataset else ''
    return pretty(self.source) + where

  @property
  def mean(self) -> float:
    """Over what was trained to the end; NaN if nothing was."""
    if not self.accuracy:
      return math.nan
    return float(np.mean(list(self.accuracy.values())))

  @property
  def std(self) -> float:
    """Sample standard deviation; 0 for a single replicate."""
    values = list(self.accuracy.values())
    return float(np.std(values, ddof=1)) if len(values) > 1 else 0.0


def label_of(row: Row) -> str:
  """How a method is called in tables and legends."""
  if row['method'] not in METHODS:
    return row['method'].capitalize()
  method = METHODS[row['method']]
  if not method.from_source:
    return method.label
  source = pretty(row['source']) + in_words(row)
  order = '' if row['order'] == 'squeeze' else row['order']  # the only way
  if row['method'] == 'ett':
    return f'{method.label} from {source}' + (f' ({order})' if order else '')
  return f'{method.label} ({source}{", " if order else ""}{order})'


def method_label(cell: Cell) -> str:
  """How a cell's method is called, without its source."""
  known = METHODS.get(cell.method)
  return known.label if known else cell.method.capitalize()


def cells(
  rows: Iterable[Row],
  diverged: Iterable[Row] = (),
  test_images: int = 0,
  classes: int = 0,
) -> list[Cell]:
  """One cell for each target, method and level, in the order of the rows.

  Dense networks trained twice as long are for `budget.gate` alone.

  Args:
    rows: of results.csv.
    diverged: columns of results.csv of runs without a result.
    test_images: how many there are; 0 if that is not known.
    classes: likewise.
  """
  resolution = 1 / test_images if test_images else 0.0
  chance = 1 / classes if classes else 0.0
  groups: dict[tuple, tuple[list[Row], list[Row]]] = {}
  for number, some in enumerate((rows, diverged)):
    for row in some:
      if row['method'] != DOUBLED:
        identity = row['target'], label_of(row), row['method'], row['level']
        groups.setdefault(identity, ([], []))[number].append(row)
  return [
    _cell(identity, done, failed, resolution, chance)
    for identity, (done, failed) in groups.items()
  ]


def _cell(
  identity: tuple,
  done: list[Row],
  failed: list[Row],
  resolution: float,
  chance: float,
) -> Cell:
  first = [*done, *failed][0]
  sparsities = [row['sparsity'] for row in done]
  return Cell(
    *identity,
    sparsity=float(np.mean(sparsities)) if done else math.nan,
    accuracy={row['replicate']: row['test_accuracy'] for row in done},
    source=first['source'],
    order=first.get('order', ''),
    dataset=first.get('source_dataset', ''),
    home=first.get('dataset', ''),
    diverged=tuple(row['replicate'] for row in failed),
    ticket=_ticket_of(first),
    resolution=resolution,
    chance=chance,
    keys=frozenset(row['key'] for row in done if 'key' in row),
  )


def _ticket_of(row: Row) -> str:
  """What the values of a cell may have in common with those of another.

  Variants of one ticket go up and down together over replicates; different
  methods do not.
  """
  method = METHODS.get(row['method'])
  if method is None or not method.from_source:
    return f'{row["target"]} {row["method"]}'
  origin = ('source_dataset', 'source_optimizer', 'source_width')
  return ' '.join([row['source'], *(str(row.get(name, '')) for name in origin)])


def to_text(
  rows: Sequence[Row],
  fit: Callable[[str], str] = str,
  diverged: Iterable[Row] = (),
) -> str:
  """Test accuracy in %, mean, deviation and sparsity, for a terminal.

  Args:
    rows: of results.csv.
    fit: puts a cell's text in the terminal's characters, before columns are
      aligned.
    diverged: columns of results.csv of runs without a result.
  """
  found = cells(rows, diverged)
  several = any(len(cell.accuracy) > 1 for cell in found)
  lines = []
  for target, levels, table in tables(found):
    about = 'sd over replicates; ' if several else ''
    title = f'test accuracy, % ({about}sparsity that it has)'
    lines += ['', f'{pretty(target)}: {title}']
    texts = [
      [label, *(fit(text_with_sparsity(cell)) for cell in row)]
      for label, row in table
    ]
    texts.insert(0, ['sparsity of IMP', *levels])
    wide = max(32, *(len(row[0]) + 1 for row in texts))
    column = max(15, *(len(one) + 2 for row in texts for one in row[1:]))
    lines += [
      f'{row[0]:<{wide}}' + ''.join(f'{one:>{column}}' for one in row[1:])
      for row in texts
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
    known = sorted(mine, key=lambda c: not _drifts(c))
    nominal = {
      cell.level: cell.sparsity
      for cell in known
      if not math.isnan(cell.sparsity)
    }
    heads = ['dense'] + [
      f'{nominal[k]:.2%}' if k in nominal else f'level {k}' for k in levels
    ]
    rows = [
      (label, [by.get((label, level)) for level in levels]) for label in labels
    ]
    dense = by.get(('Dense', 0))
    table = [('Dense', [dense] + [None] * len(levels))]
    table += [(label, [None, *row]) for label, row in rows if any(row)]
    result.append((target, heads, table))
  return result


def _drifts(cell: Cell) -> bool:
  """Whether its sparsity may be another than the level's."""
  method = METHODS.get(cell.method)
  return method is None or method.drifts


def text(cell: Cell | None) -> str:
  """Mean and deviation in %; of a single replicate, its accuracy.

  Replicates that diverged, or need one that did, are counted behind.
  """
  if cell is None:
    return ''
  std = 100 * cell.std if len(cell.accuracy) > 1 else math.nan
  shown = f'{100 * cell.mean:.2f}{spread(std)}' if cell.accuracy else ''
  if cell.diverged:
    count = len(cell.outcomes)
    shown += f'{", " if shown else ""}{len(cell.diverged)} of {count} failed'
  return shown


def text_with_sparsity(cell: Cell | None) -> str:
  """The same, with the sparsity that the tickets have: `91.2 ± 0.3 (89.3%)`."""
  if cell is None or cell.method == 'dense' or math.isnan(cell.sparsity):
    return text(cell)
  return f'{text(cell)} ({100 * cell.sparsity:.1f}%)'


def spread(points: float) -> str:
  """A deviation or margin behind its mean: ` ± 1.20`.

  Empty for what a single replicate cannot tell, which is not finite.
  """
  return f' ± {points:.2f}' if math.isfinite(points) else ''
