"""The figures of a study's analyses: connectivity, overlap, units alike."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize, to_rgb
from matplotlib.figure import Figure

from elth_jax.families import pretty
from elth_jax.report import heat
from elth_jax.report.comparison import Comparison
from elth_jax.report.headline import Headline
from elth_jax.report.styles import Series, styles_of


def connectivity(
  target: str,
  level: int,
  found: Mapping[str, Sequence[Sequence[float]]],
  methods: Mapping[str, str],
) -> Figure:
  """Accuracy from one training of a ticket to another, a line for a method.

  Args:
    target: the network.
    level: of IMP.
    found: label -> test accuracies at evenly spaced points, by replicate.
    methods: label -> method, of all lines of the study, for colours.
  """
  figure = Figure(figsize=(6.4, 3.8), layout='constrained')
  axes = figure.subplots()
  styles = styles_of(methods)
  for label, lines in found.items():
    colour, _ = styles[label]
    values = 100 * np.asarray(lines)
    shares = np.linspace(0, 1, values.shape[1])
    middle = values.mean(0)
    drop = (values[:, [0, -1]].mean(1) - values.min(1)).mean()
    axes.plot(
      shares,
      middle,
      color=colour,
      marker='o',
      ms=3,
      lw=1.5,
      label=f'{label}: largest drop {drop:.2f}',
    )
    if len(values) > 1:
      spread = values.std(0, ddof=1)
      axes.fill_between(
        shares, middle - spread, middle + spread, color=colour, alpha=0.13, lw=0
      )
  axes.set_xlabel('from one training (0) to the other (1)')
  axes.set_ylabel('test accuracy (%)')
  axes.set_title(f'{pretty(target)}, level {level}', fontsize=11)
  axes.grid(alpha=0.25, lw=0.6)
  axes.legend(fontsize=8, frameon=False)
  axes.spines[['top', 'right']].set_visible(False)
  return figure


def overlap(
  target: str, found: Mapping[int, Mapping[str, Sequence[float]]]
) -> Figure:
  """Overlap with the target's IMP masks, beyond chance, by method and level.

  Args:
    target: the network.
    found: level -> label -> corrected intersection over union, by replicate.
  """
  labels = list(dict.fromkeys(label for of in found.values() for label in of))
  figure = Figure(figsize=(6.4, 0.9 + 0.27 * len(labels)), layout='constrained')
  axes = figure.subplots()
  height = 0.8 / len(found)
  for number, (level, values) in enumerate(found.items()):
    places = [labels.index(label) + number * height for label in values]
    axes.barh(
      places,
      [float(np.mean(of)) for of in values.values()],
      height,
      color=str(0.75 - 0.6 * number / len(found)),
      label=f'level {level}',
    )
  axes.set_yticks(
    [at + 0.4 - height / 2 for at in range(len(labels))], labels, fontsize=8
  )
  axes.invert_yaxis()
  axes.axvline(0, color='#333333', lw=0.8)
  low, high = axes.get_xlim()
  axes.set_xlim(min(low, -0.1), max(high, 0.3))  # chance should look small
  axes.set_xlabel('overlap with IMP masks: 0 by chance, 1 if equal')
  axes.set_title(pretty(target), fontsize=11)
  axes.legend(fontsize=8, frameon=False)
  axes.spines[['top', 'right']].set_visible(False)
  return figure


def units(
  target: str, level: int, found: Mapping[str, Sequence[Sequence[float | None]]]
) -> Figure:
  """Overlap of every two units of a stage in one ticket, as matrices."""
  figure = Figure(figsize=(2.6 * len(found) + 0.6, 2.8), layout='constrained')
  panels = figure.subplots(1, len(found), squeeze=False)[0]
  image: Any = None
  for axes, (stage, matrix) in zip(panels, found.items(), strict=True):
    values = np.array(matrix, float)
    np.fill_diagonal(values, np.nan)
    image = axes.imshow(values, vmin=-0.5, vmax=0.5, cmap='RdBu_r')
    axes.set_title(stage, fontsize=9)
    axes.set_xticks(range(len(values)))
    axes.set_yticks(range(len(values)))
    axes.tick_params(labelsize=7)
  figure.colorbar(image, ax=list(panels), shrink=0.8)
  figure.suptitle(f'{pretty(target)}, IMP, level {level}', fontsize=11)
  return figure


def transfer(matrix: Mapping[tuple[str, str], Comparison]) -> Figure:
  """Accuracy of elastic tickets minus that of IMP, source by target.

  Args:
    matrix: of `comparison.transfers`.
  """
  sources, targets = (
    sorted({pair[side] for pair in matrix}, key=lambda name: (len(name), name))
    for side in (0, 1)
  )
  most = heat.limit(matrix)
  cells = np.full((len(sources), len(targets), 3), 1.0)
  for (source, target), pair in matrix.items():
    place = sources.index(source), targets.index(target)
    cells[place] = to_rgb(heat.colour(heat.strength(pair, most)))
  longest = max(map(len, sources))
  size = 1.5 * len(targets) + 1.9 + 0.06 * longest, 0.75 * len(sources) + 1.2
  figure = Figure(figsize=size, layout='constrained')
  axes = figure.subplots()
  axes.imshow(cells, aspect='auto')
  for (source, target), pair in matrix.items():
    text = f'{100 * pair.difference:+.2f}'
    if math.isfinite(pair.margin):
      text += f'\n± {100 * pair.margin:.2f}'
    axes.text(
      targets.index(target),
      sources.index(source),
      text,
      ha='center',
      va='center',
      fontsize=9,
    )
  axes.set_xticks(range(len(targets)), targets, fontsize=9)
  axes.set_yticks(range(len(sources)), sources, fontsize=9)
  axes.set_xlabel('trained')
  axes.set_ylabel('ticket from')
  shades = [heat.colour(share) for share in np.linspace(-1, 1, 65)]
  scale = ScalarMappable(Normalize(-most, most), ListedColormap(shades))
  figure.colorbar(scale, ax=axes, label='points above IMP')
  return figure


def difference(found: Headline, series: Mapping[str, Series]) -> Figure:
  """The study's first comparison: a row for each network and sparsity.

  Bars are intervals of 95% for all rows together; what is undecided is grey.

  Args:
    found: of `headline.headline`.
    series: label -> its line.
  """
  pairs = found.pairs
  figure = Figure(figsize=(8.4, 0.9 + 0.27 * len(pairs)), layout='constrained')
  axes = figure.subplots()
  for row, (_, pair) in enumerate(pairs):
    line = series[pair.better.label]
    margin = found.margin(pair)
    axes.errorbar(
      100 * pair.difference,
      row,
      xerr=margin if math.isfinite(margin) else None,
      fmt=line.marker,
      color='#767676' if pair.verdict == 'undecided' else line.colour,
      lw=1.6,
      ms=6,
    )
  names = [
    f'{pretty(pair.better.target)}, {series[pair.better.label].name}, '
    f'{100 * pair.better.sparsity:.1f}%'
    for _, pair in pairs
  ]
  axes.set_yticks(range(len(pairs)), names, fontsize=8)
  axes.set_ylim(len(pairs) - 0.4, -0.6)
  axes.axvline(0, color='#333333', lw=0.8, ls='--')
  baselines = ' or '.join(dict.fromkeys(arm.baseline for arm in found.arms))
  # below the whole figure: names may leave the axes little room
  figure.supxlabel(f'points of test accuracy above {baselines}', fontsize=10)
  axes.grid(alpha=0.25, lw=0.6, axis='x')
  axes.spines[['top', 'right']].set_visible(False)
  return figure
