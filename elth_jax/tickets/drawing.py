"""Figures of tickets: a transformation, and sparsity layer by layer."""

import re
from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from elth_jax.elastic.plan import Plan
from elth_jax.families import pretty

STAGE_COLOURS = ('#0072B2', '#009E73', '#D55E00', '#CC79A7', '#E69F00')


def transformation(
  source: str,
  target: str,
  plan: Plan,
  depths: Mapping[str, int],
  fixed: Mapping[str, int] | None = None,
) -> Figure:
  """Which source unit each target unit copies, stage by stage.

  Args:
    source: name of the network above.
    target: name of the network below.
    plan: the tables to draw.
    depths: units in each stage of the source.
    fixed: how many units at the start of each stage are invariant; 1 if it is
      not said.
  """
  stages = list(plan.tables.items())
  size = max(*depths.values(), *plan.depths.values())
  figure = Figure(
    figsize=(max(3.2, 0.62 * size) * len(stages) * 0.75, 2.3),
    layout='constrained',
  )
  panels = figure.subplots(1, len(stages), squeeze=False)[0]
  for number, (axes, (stage, table)) in enumerate(
    zip(panels, stages, strict=True)
  ):
    colour = STAGE_COLOURS[number % len(STAGE_COLOURS)]
    stays = 1 if fixed is None else fixed[stage]
    have = depths[stage]
    top = [(i - (have - 1) / 2, 1.0) for i in range(have)]
    bottom = [(i - (len(table) - 1) / 2, 0.0) for i in range(len(table))]
    for at, unit in enumerate(table):
      first = at == table.index(unit)
      axes.plot(
        *zip(top[unit], bottom[at], strict=True),
        color=colour if unit >= stays else '#999999',
        lw=1.6 if first else 1.1,
        ls='-' if first else '--',
        zorder=1,
      )
    _units(axes, top, range(have), table, colour, stays)
    _units(axes, bottom, table, table, colour, stays)
    axes.set_xlim(-size / 2 - 0.2, size / 2 + 0.2)
    axes.set_ylim(-0.4, 1.4)
    axes.set_title(stage, fontsize=9)
    axes.set_yticks(
      [1, 0], [pretty(source), pretty(target)] if not number else []
    )
    axes.set_xticks([])
    axes.tick_params(length=0, labelsize=8)
    axes.spines[:].set_visible(False)
  return figure


def _units(axes, places, units, used, colour, stays) -> None:
  for (x, y), unit in zip(places, units, strict=True):
    dropped = unit not in used
    face = '#999999' if unit < stays else 'white' if dropped else colour
    axes.text(
      x,
      y,
      str(unit),
      ha='center',
      va='center',
      fontsize=9,
      color='#999999' if dropped else 'white',
      bbox={
        'boxstyle': 'round,pad=0.32',
        'fc': face,
        'ec': '#999999' if dropped else face,
        'ls': ':' if dropped else '-',
      },
      zorder=2,
    )


def layer_sparsity(
  tickets: Mapping[str, Mapping[str, float]], title: str
) -> Figure:
  """Sparsity of every prunable leaf, a panel for each ticket.

  Args:
    tickets: name of a ticket -> density by leaf, in network order.
    title: of the figure.
  """
  most = max(map(len, tickets.values()))
  figure = Figure(
    figsize=(max(6.4, 0.2 * most), 1.75 * len(tickets) + 0.4),
    layout='constrained',
  )
  figure.suptitle(title, fontsize=11)
  panels = figure.subplots(len(tickets), 1, squeeze=False)[:, 0]
  for axes, (name, densities) in zip(panels, tickets.items(), strict=True):
    values = [100 * (1 - density) for density in densities.values()]
    colours = [_stage_colour(leaf) for leaf in densities]
    axes.bar(range(len(values)), values, color=colours, width=0.8)
    axes.set_xlim(-0.7, most - 0.3)
    axes.set_ylim(0, 100)
    axes.set_ylabel('sparsity (%)', fontsize=8)
    axes.set_title(name, fontsize=9, loc='left')
    edges = _block_edges(list(densities))
    axes.set_xticks(
      [at for at, _ in edges],
      [label for _, label in edges],
      fontsize=6.5,
      rotation=90 if most > 24 else 0,
    )
    axes.tick_params(axis='y', labelsize=8)
    axes.spines[['top', 'right']].set_visible(False)
  return figure


def _stage_colour(leaf: str) -> str:
  stage = leaf.partition('/')[0]
  if not stage.startswith('stage'):
    return '#666666'
  number = int(stage.removeprefix('stage')) - 1
  return STAGE_COLOURS[number % len(STAGE_COLOURS)]


def _block_edges(leaves: Sequence[str]) -> list[tuple[int, str]]:
  """Where each unit begins, and its short name."""
  edges, last = [], ''
  for at, leaf in enumerate(leaves):
    parts = leaf.split('/')
    unit = parts[0] if len(parts) < 3 else f'{parts[0][5:]}.{parts[1][5:]}'
    if unit != last:
      edges.append((at, unit))
    last = unit
  return edges


def in_network_order(masks):
  """Stem first, stages in order, head last."""

  def place(name: str) -> tuple:
    number = re.fullmatch(r'stage(\d+)', name)
    if number:
      return (1, int(number[1]))
    return (0, 0) if name.startswith('stem') else (2, name == 'head')

  return {name: masks[name] for name in sorted(masks, key=place)}
