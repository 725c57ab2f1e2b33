"""Accuracy at one level: a row for each method, replicates as points."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from elth_jax.families import pretty
from elth_jax.report.axis_limits import below, networks_that_train
from elth_jax.report.styles import DENSE, Series
from elth_jax.report.summary import Cell
from elth_jax.study.published import Published

ROW = 0.27  # inches


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
  numbers = [n.accuracy for n, cell in published if cell]
  if limits := networks_that_train(found, numbers):
    grid[0].set_xlim(limits)  # of all panels
    for axes, mine in zip(grid, panels, strict=True):
      _write_what_is_left_of(axes, limits[0], mine)
  grid[-1].set_xlabel('test accuracy (%)')
  return figure


def _write_what_is_left_of(axes, start: float, mine: Sequence[Cell]) -> None:
  shown = [cell for cell in mine if cell.method != 'dense']
  for row, cell in enumerate(shown):
    if text := below(start, cell):
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
