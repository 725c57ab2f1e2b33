"""The page's charts of accuracy against sparsity, on axes that all share."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence

from markupsafe import Markup

from elth_jax.families import pretty
from elth_jax.report.styles import Series, drawn_sparsity, is_dense_at_level
from elth_jax.report.summary import Cell, text
from elth_jax.report.svg import Axes, Line, Point, panel, rounded, ticks
from elth_jax.study.published import Published

NEAR = 12.0  # points below the dense network that the close view shows
MOST_BANDS = 7  # lines; bands of more lie over each other
Anchor = Callable[[Cell], str]


@dataclasses.dataclass(frozen=True)
class Chart:
  """One target.

  Attributes:
    target: the network, to read.
    whole: from the lowest accuracy to the highest.
    close: the best accuracies alone; empty where that is no other view.
  """

  target: str
  whole: Markup
  close: Markup


def charts(
  targets: Sequence[str],
  found: Sequence[Cell],
  series: Mapping[str, Series],
  anchor: Anchor,
  published: Sequence[tuple[Published, Cell | None]] = (),
) -> list[Chart]:
  """A chart for each target that has two levels, on the same axes.

  Args:
    targets: networks, from the first.
    found: cells of which something was trained to its end.
    series: label -> its line.
    anchor: id of the element that tells of a cell's runs.
    published: a paper's numbers with the cells that answer them.
  """
  some = [cell for cell in found if cell.target in targets]
  if not some:
    return []
  numbers = [(n, c) for n, c in published if c and c in some]
  low, high = _limits(some, [n.accuracy for n, _ in numbers])
  whole = _axes(some, low, high)
  best = max(100 * cell.mean for cell in some)
  floor = best - NEAR
  close = _axes(some, floor, high) if low < floor - NEAR else None
  made = []
  for target in targets:
    mine = [cell for cell in some if cell.target == target]
    lines = _lines(mine, series, anchor, whole)
    lines += [
      Line(series[c.label].number, [_ring(n, c, some, series)], rings=True)
      for n, c in numbers
      if c.target == target
    ]
    words = _words(target, mine, series)
    made.append(
      Chart(
        pretty(target),
        panel(lines, whole, f'whole-{target}', words),
        panel(lines, close, f'close-{target}', words) if close else Markup(),
      )
    )
  return made


def _limits(
  found: Sequence[Cell], published: Sequence[float]
) -> tuple[float, float]:
  """Of accuracy in percent, deviations included."""
  low = [max(100 * (cell.mean - cell.std), 0) for cell in found]
  high = [min(100 * (cell.mean + cell.std), 100) for cell in found]
  return min(*low, *published, 100), max(*high, *published, 0)


def _ring(
  number: Published,
  cell: Cell,
  found: Sequence[Cell],
  series: Mapping[str, Series],
) -> Point:
  """A published number, where ours is."""
  y = number.accuracy
  words = (
    f'{series[cell.label].name}, {pretty(cell.target)}; published {y:.2f}%'
  )
  return Point(_place(drawn_sparsity(cell, found)), y, y, y, words)


def _axes(found: Sequence[Cell], low: float, high: float) -> Axes:
  bottom, top = rounded(low, high)
  bottom, top = max(bottom, 0), min(top, 100)
  places = [drawn_sparsity(cell, found) for cell in found if cell.level] or [
    0.0
  ]
  named = [  # sparsities that levels have, from which ETT's differ a little
    cell.sparsity for cell in found if cell.method in ('imp', 'magnitude')
  ]
  xs = [_place(sparsity) for sparsity in places]
  margin = 0.04 * (max(xs) - min(xs)) or 0.1
  return Axes(
    (min(xs) - margin, max(xs) + margin),
    (bottom, top),
    _sparsity_ticks(sorted(named or places), max(xs) - min(xs) + 2 * margin),
    ticks(bottom, top),
    'sparsity (% of prunable weights)',
    'test accuracy (%)',
  )


def _sparsity_ticks(
  sparsities: Sequence[float], span: float
) -> list[tuple[float, str]]:
  """Sparsities that occur, with room for their texts between them."""
  chosen: list[tuple[float, str]] = []
  for sparsity in sparsities:
    x = _place(sparsity)
    if not chosen or x - chosen[-1][0] > 0.13 * span:
      chosen.append((x, f'{100 * sparsity:.1f}'))
  return chosen


def _place(sparsity: float) -> float:
  """By the logarithm of the weights that remain, as IMP's levels fall."""
  return -math.log10(max(1 - sparsity, 1e-6))


def _lines(
  mine: Sequence[Cell],
  series: Mapping[str, Series],
  anchor: Anchor,
  axes: Axes,
) -> list[Line]:
  lines: dict[int, list[Point]] = {}
  level = []
  few = has_few_bands(list(mine), series)
  for cell in mine:
    point = _point(cell, mine, series, anchor)
    number = series[cell.label].number
    if few and _rank(number, series) > 2:
      point = dataclasses.replace(point, low=point.y, high=point.y)
    if cell.method == 'dense':
      ends = [dataclasses.replace(point, x=x) for x in axes.x]
      level.append(Line(number, ends, level=True))
    else:
      lines.setdefault(number, []).append(point)
  first = sorted(lines, key=lambda number: _rank(number, series), reverse=True)
  return level + [
    Line(number, sorted(lines[number], key=lambda p: p.x)) for number in first
  ]


def _rank(number: int, series: Mapping[str, Series]) -> int:
  """IMP and ETT are drawn last, over others."""
  method = next(s.method for s in series.values() if s.number == number)
  return {'imp': 0, 'ett': 1, 'ett_matched': 2}.get(method, 3)


def has_few_bands(found: Sequence[Cell], series: Mapping[str, Series]) -> bool:
  """Whether IMP and ETT alone have bands, since there are many lines."""
  return len({series[cell.label].number for cell in found}) > MOST_BANDS


def _point(
  cell: Cell,
  found: Sequence[Cell],
  series: Mapping[str, Series],
  anchor: Anchor,
) -> Point:
  low = max(100 * (cell.mean - cell.std), 0)
  high = min(100 * (cell.mean + cell.std), 100)
  return Point(
    _place(drawn_sparsity(cell, found)),
    100 * cell.mean,
    low,
    high,
    tip(cell, series),
    anchor(cell),
  )


def tip(cell: Cell, series: Mapping[str, Series]) -> str:
  """What is shown of a cell when a reader points at it."""
  parts = [f'{series[cell.label].name}, {pretty(cell.target)}']
  if is_dense_at_level(cell):
    parts.append(f'no weight pruned, drawn at level {cell.level}')
  elif cell.level:
    parts.append(f'{100 * cell.sparsity:.1f}% sparsity, level {cell.level}')
  parts.append(f'accuracy {text(cell)}%')
  if len(cell.accuracy) > 1:
    parts.append(f'{len(cell.accuracy)} replicates')
  return '; '.join(parts)


def _words(
  target: str, mine: Sequence[Cell], series: Mapping[str, Series]
) -> str:
  """An alternative to the chart: what it shows where most is pruned."""
  last = max((cell.level for cell in mine), default=0)
  ends = [
    f'{series[cell.label].name} {text(cell)}'
    for cell in mine
    if cell.level in (0, last)
  ]
  return (
    f'Test accuracy of {pretty(target)} against sparsity. Dense and at the '
    f'highest level, {last}, in percent: {", ".join(ends)}.'
  )
