"""Accuracy at one level: a row for each method, replicates as points."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from elth_jax.families import pretty
from elth_jax.report.styles import DENSE, Series
from elth_jax.report.summary import Cell
from elth_jax.study.published import Published

ROW = 0.27  # inches
SQUASHED = 2.5  # times the usual range, at which the axis leaves out the rest


def has_one_level(found: Sequence[Cell]) -> bool:
  """Whether no method was trained at two levels, so that lines are points."""
  seen = [(c.target, c.label) for c in found if c.method != 'dense']
  return len(set(seen)) == len(seen)


def at_one_level(found: Sequence[Cell]) -> list[Cell]:
  """What is to be compared, if that is at one level alone.

  Returns:
    All cells if no method was trained at two levels; those of one level and of
    dense networks if IMP alone went through others on its way; else none.
  """
  if has_one_level(found):
    return list(found)
  levels = {c.level for c in found if c.method not in ('dense', 'imp')}
  if len(levels) != 1:
    return []
  return [c for c in found if c.method == 'dense' or c.level in levels]


def dots(
  targets: Sequence[str],
  found: Sequence[Cell],
  series: Mapping[str, Series],
  published: Sequence[tuple[Published, Cell | None]] = (),
) -> Figure:
  """Test accuracy of every method, a panel a target.

  A large mark is the mean, its bar one standard deviation where there are
  several replicates, which are small marks; the dashed line is the dense
  network. Where few networks are so far below the others of their target that
  these could not be told apart, the axis starts at the others, and what is to
  the left of it is written there.

  Args:
    targets: networks, from above.
    found: one cell for each method and target.
    series: label -> its line.
    published: a paper's numbers with the cells that answer them, as rings.
  """
  panels = [[cell for cell in found if cell.target == t] for t in targets]
  rows = [sum(cell.method != 'dense' for cell in mine) for mine in panels]
  figure = Figure(
    figsize=(8.4, sum(ROW * n + 0.75 for n in rows) + 0.2),
    layout='constrained',
  )
  grid = figure.subplots(
    len(targets),
    1,
    squeeze=False,
    sharex=True,
    height_ratios=[max(n, 1) for n in rows],
  )[:, 0]
  for axes, target, mine in zip(grid, targets, panels, strict=True):
    numbers = {id(cell): n.accuracy for n, cell in published if cell}
    _panel(axes, target, mine, series, numbers)
  if limits := _limits(found, [n.accuracy for n, cell in published if cell]):
    grid[0].set_xlim(limits)  # of all panels
    for axes, mine in zip(grid, panels, strict=True):
      _write_what_is_left_of(axes, limits[0], mine)
  grid[-1].set_xlabel('test accuracy (%)')
  return figure


def _limits(
  found: Sequence[Cell], numbers: Sequence[float]
) -> tuple[float, float] | None:
  """From where to where the axis goes, in %; `None` to show all networks."""
  values = _percent(found)
  if not values.size:  # all diverged
    return None
  usual = np.concatenate(
    [
      _usual([cell for cell in found if cell.target == target])
      for target in {cell.target for cell in found}
    ]
  )
  if np.ptp(values) < SQUASHED * max(np.ptp(usual), 1):
    return None
  first, last = min(usual.min(), *numbers, 100), max(usual.max(), *numbers, 0)
  room = 0.08 * (last - first) + 0.1
  return float(first - room), float(last + room)


def _usual(cells: Sequence[Cell]) -> np.ndarray:
  """Accuracies of one target, in %, but for those far below the others."""
  values = _percent(cells)
  if not values.size:
    return values
  low, high = np.quantile(values, [0.25, 0.75])
  usual = values[values >= low - 3 * (high - low)]
  dense = _percent([cell for cell in cells if cell.method == 'dense'])
  return np.append(usual, dense)  # its line is always shown


def _percent(cells: Sequence[Cell]) -> np.ndarray:
  values = [100 * value for c in cells for value in c.accuracy.values()]
  return np.array([value for value in values if np.isfinite(value)])


def _write_what_is_left_of(axes, start: float, mine: Sequence[Cell]) -> None:
  shown = [cell for cell in mine if cell.method != 'dense']
  for row, cell in enumerate(shown):
    if text := _left_of(start, cell):
      axes.annotate(
        f'\N{LEFTWARDS ARROW} {text}',
        (0, row),
        xycoords=('axes fraction', 'data'),
        xytext=(3, 0),
        textcoords='offset points',
        va='center',
        fontsize=7.5,
        color='#666666',
        bbox={'fc': 'white', 'ec': 'none', 'pad': 1},
      )


def _left_of(start: float, cell: Cell) -> str:
  """The mean if it is below the start, else replicates that are; in %."""
  if 100 * cell.mean < start:
    spread = f' ± {100 * cell.std:.1f}' if len(cell.accuracy) > 1 else ''
    return f'{100 * cell.mean:.1f}{spread}'
  below = sorted(value for value in _percent([cell]) if value < start)
  return ', '.join(f'{value:.1f}' for value in below)


def _panel(axes, target: str, mine: Sequence[Cell], series, numbers) -> None:
  shown = [cell for cell in mine if cell.method != 'dense']
  for row, cell in enumerate(shown):
    colour, marker = series[cell.label].colour, series[cell.label].marker
    values = [100 * value for value in cell.accuracy.values()]
    middle, spread = 100 * cell.mean, 100 * cell.std
    bar = [[min(spread, middle)], [min(spread, 100 - middle)]]
    axes.plot(values, [row] * len(values), '.', color=colour, alpha=0.45, ms=5)
    axes.errorbar(
      middle,
      row,
      xerr=bar if len(values) > 1 else None,
      fmt=marker,
      color=colour,
      ms=6,
      lw=1.4,
    )
    if id(cell) in numbers:
      axes.plot(numbers[id(cell)], row, 'o', mfc='none', mec=colour, ms=10)
  for cell in mine:
    if cell.method == 'dense':
      axes.axvline(100 * cell.mean, color=DENSE[0], ls='--', lw=1)
      axes.annotate(
        'dense',
        (100 * cell.mean, 0),
        xycoords=('data', 'axes fraction'),
        xytext=(3, 3),
        textcoords='offset points',
        fontsize=7.5,
        color='#666666',
      )
  names = [
    f'{series[cell.label].name}, {100 * cell.sparsity:.1f}%' for cell in shown
  ]
  axes.set_yticks(range(len(shown)), names, fontsize=8)
  axes.set_ylim(len(shown) - 0.4, -0.6)
  title = f'{pretty(target)} (method, sparsity)'
  axes.set_title(title, fontsize=10, loc='left')
  axes.grid(alpha=0.25, lw=0.6)
  axes.spines[['top', 'right']].set_visible(False)
