"""The figures of a report, as matplotlib figures; nothing here writes files."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from elth_jax.families import pretty
from elth_jax.report.axis_limits import below, networks_that_train
from elth_jax.report.dots import at_one_level, dots
from elth_jax.report.styles import (
  DENSE,
  Series,
  drawn_sparsity,
  is_dense_at_level,
  series_of,
)
from elth_jax.report.summary import Cell
from elth_jax.study.published import Published

SVG_SETTINGS = {
  'svg.hashsalt': 'elth_jax',  # same figure, same bytes
  'svg.fonttype': 'none',
}


def accuracy(
  targets: Sequence[str],
  found: Sequence[Cell],
  published: Sequence[tuple[Published, Cell | None]] = (),
) -> Figure:
  """Test accuracy against sparsity, a line for each method, a panel a target.

  Bands, or bars where there is one level only, are one standard deviation over
  replicates. Sparsity is drawn by the logarithm of the weights that remain, as
  IMP's levels fall. Where few networks are far below the others of their
  target, the axis starts at the others, and means below it are written there.
  Where one level alone is compared, see `dots.dots`.

  Args:
    targets: networks, a panel each.
    found: all cells of the study, so that its figures agree in colours.
    published: a paper's numbers with the cells that answer them, as rings.
  """
  shown = [cell for cell in found if cell.target in targets]
  series = series_of(found)
  if flat := at_one_level(shown):
    return dots(targets, flat, series, published)
  drawn = {series[cell.label].number for cell in shown}
  beside = len(drawn) > 9 or len(targets) > 1  # the legend
  width = 6.4 if len(targets) == 1 else 3.9 * min(len(targets), 3)
  rows = -(-len(targets) // 3)
  figure = Figure(
    figsize=(width + (3.2 if beside else 0), (4.8 if beside else 4.2) * rows),
    layout='constrained',
  )
  grid = figure.subplots(
    rows, min(len(targets), 3), squeeze=False, sharex=True, sharey=True
  ).ravel()
  handles = {}
  for axes, target in zip(grid, targets, strict=False):
    mine = [cell for cell in found if cell.target == target]
    handles |= _accuracy_panel(axes, target, mine, series)
    _rings(axes, target, series, published, mine)
    axes.tick_params(labelbottom=True)  # there may be no panel below
  numbers = [n.accuracy for n, cell in published if cell in shown]
  if limits := networks_that_train(shown, numbers):
    grid[0].set_ylim(limits)  # of all panels
    for axes, target in zip(grid, targets, strict=False):
      mine = [cell for cell in found if cell.target == target]
      _write_what_is_below(axes, limits[0], mine, series)
  _sparsity_axis(grid[0], shown)
  for axes in grid[len(targets) :]:
    axes.set_visible(False)
  if beside:  # the lines, not over them
    figure.legend(
      handles.values(),
      handles,
      loc='outside right center',
      fontsize=7.5,
      frameon=False,
    )
  else:
    grid[0].legend(fontsize=8, frameon=False, loc='best')
  return figure


def _accuracy_panel(
  axes,
  target: str,
  mine: Sequence[Cell],
  series: Mapping[str, Series],
) -> dict:
  """Draws one target; returns what the legend shows, by label."""
  lines: dict[str, list[Cell]] = {}
  for cell in mine:
    if cell.method != 'dense':
      lines.setdefault(cell.label, []).append(cell)
  for label, line in lines.items():
    colour, marker = series[label].colour, series[label].marker
    name = series[label].name
    if any(map(is_dense_at_level, line)):
      name += ' (0% sparse, drawn at its level)'
    remaining = [1 - drawn_sparsity(cell, mine) for cell in line]
    means = [100 * cell.mean for cell in line]
    low = [100 * max(cell.mean - cell.std, 0) for cell in line]
    high = [100 * min(cell.mean + cell.std, 1) for cell in line]
    if all(len(cell.accuracy) == 1 for cell in line):
      pass  # one replicate has no deviation
    elif len(line) > 1:
      axes.fill_between(remaining, low, high, color=colour, alpha=0.13, lw=0)
    else:  # a band needs a second level
      axes.vlines(remaining, low, high, color=colour, alpha=0.5, lw=2)
    axes.plot(
      remaining,
      means,
      marker=marker,
      color=colour,
      label=name,
      ms=5,
      lw=1.6,
      zorder=3 if line[0].method in ('imp', 'ett') else 2,
    )
  for cell in mine:
    if cell.method == 'dense':
      count = len(cell.accuracy)
      name = f'Dense (mean of {count})' if count > 1 else 'Dense'
      axes.axhline(100 * cell.mean, color=DENSE[0], ls='--', lw=1, label=name)
  axes.set_xlabel('sparsity (% of prunable weights)')
  axes.set_ylabel('test accuracy (%)')
  axes.set_title(pretty(target), fontsize=11)
  axes.grid(alpha=0.25, lw=0.6)
  axes.spines[['top', 'right']].set_visible(False)
  handles, labels = axes.get_legend_handles_labels()
  return dict(zip(labels, handles, strict=True))


def _write_what_is_below(
  axes, start: float, mine: Sequence[Cell], series: Mapping[str, Series]
) -> None:
  low = [c for c in mine if c.method != 'dense' and 100 * c.mean < start]
  for row, cell in enumerate(sorted(low, key=lambda c: c.mean)):
    axes.annotate(
      f'\N{DOWNWARDS ARROW} {below(start, cell)}',
      (1 - drawn_sparsity(cell, mine), 0),
      xycoords=('data', 'axes fraction'),
      xytext=(0, 3 + 9 * row),
      textcoords='offset points',
      ha='center',
      fontsize=7,
      color=series[cell.label].colour,
    )


def _rings(axes, target: str, series, published, mine) -> None:
  for number, cell in published:
    if cell and cell.target == target and cell in mine:
      axes.plot(
        1 - drawn_sparsity(cell, mine),
        number.accuracy,
        'o',
        mfc='none',
        mec=series[cell.label].colour,
        ms=9,
      )


def _sparsity_axis(axes, found: Sequence[Cell]) -> None:
  axes.set_xscale('log')
  axes.invert_xaxis()
  ticks: list[float] = []
  known = any(cell.method in ('imp', 'magnitude') for cell in found)
  for cell in sorted(found, key=lambda c: c.sparsity):
    remaining = 1 - cell.sparsity
    nominal = cell.method in ('imp', 'magnitude')
    if (nominal or not known) and (not ticks or remaining < 0.75 * ticks[-1]):
      ticks.append(remaining)
  axes.set_xticks(ticks, [f'{100 * (1 - tick):.1f}' for tick in ticks])
  axes.set_xticks([], minor=True)
