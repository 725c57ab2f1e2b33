"""Where the stages and units of a model family stand in a parameter tree.

A plan says which source unit each target unit copies; a layout says where units
are, and rewrites trees.
"""

import dataclasses
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from elth_jax.elastic.series import Series, find_series
from elth_jax.elastic.shapes import check_alike, lengths_of_runs, unit_shapes
from elth_jax.elastic.tables import whole_numbers
from elth_jax.elastic.walks import Leaf, Tables, map_below, rewrite_below
from elth_jax.trees import (
  PyTree,
  join,
  node_of,
  zip_named,
)


@dataclasses.dataclass(frozen=True)
class Layout:
  r"""The names of stages and units in the trees of one model family.

  Trees are nested mappings (dict, FrozenDict, nnx.State), inside other nodes
  that JAX knows or not (a tuple, a TrainState), or flat mappings whose names
  have parts, as in safetensors files: `model.layers.3.mlp.weight`.

  Attributes:
    units: regular expression for the end of a layer's path. Its last group is
      the layer's number. The group called `stage`, or else what the pattern
      has before the number, names the stage: `encoder/layer_(\d+)` has one,
      `encoder`. Places of one name must agree in depth and share a table.
    stacked: regular expression for the end of the path of a node whose leaves
      all have an axis of layers (scanned layers). There an ETT is an
      indexing of that axis; the group `stage`, or the path, names the stage.
    axis: the axis of layers in stacked leaves.
    period: how many layers in a row make a unit, e.g. 2 for Swin's pairs.
    fixed: how many units at the start of a stage no rule replicates or drops:
      1 in the papers, where block 0 changes the shape; 0 where all layers are
      alike. One number, or a mapping from stage name (1 for others).
    runs: for numbered layers whose stages are not named: the number of units
      in each stage, by series; written by `by_shape`.

  Raises:
    ValueError: if a pattern cannot be read or has no group for the number, or
      a number is out of range.
  """

  units: str = r'(?P<stage>stage\d+)/block(\d+)'
  stacked: str | None = None
  axis: int = 0
  period: int = 1
  fixed: int | Mapping[str, int] = 1
  runs: Mapping[str, tuple[int, ...]] | None = None

  def __post_init__(self):
    for pattern in filter(None, (self.units, self.stacked)):
      try:
        groups = re.compile(pattern).groups
      except re.error as error:
        raise ValueError(f'layout pattern {pattern!r}: {error}') from None
      if pattern is self.units and not groups:
        raise ValueError(
          f'layout pattern {pattern!r} has no group for the number of a unit; '
          r'write one as (\d+)'
        )
    fixed = self.fixed if isinstance(self.fixed, Mapping) else {'': self.fixed}
    whole_numbers([self.period, self.axis, *fixed.values()], 'layout')
    if self.period < 1 or self.axis < 0 or min(fixed.values(), default=0) < 0:
      raise ValueError(
        f'layout: period {self.period} must be at least 1, axis {self.axis} '
        f'and fixed {self.fixed} at least 0'
      )
    if isinstance(self.fixed, Mapping):  # nobody else can change a copy
      object.__setattr__(self, 'fixed', dict(self.fixed))
    if self.runs is not None:
      runs = {name: tuple(lengths) for name, lengths in self.runs.items()}
      object.__setattr__(self, 'runs', runs)

  def __hash__(self) -> int:
    values = (getattr(self, f.name) for f in dataclasses.fields(self))
    return hash(
      tuple(
        frozenset(v.items()) if isinstance(v, Mapping) else v for v in values
      )
    )

  def fixed_units(self, stage: str) -> int:
    """How many units at the start of a stage rules leave alone."""
    if isinstance(self.fixed, Mapping):
      return self.fixed.get(stage, 1)
    return self.fixed

  def fixed_by_stage(self, stages: Iterable[str]) -> dict[str, int]:
    """`fixed_units` of each stage, as plans take them."""
    return {stage: self.fixed_units(stage) for stage in stages}

  def depths(self, tree: PyTree) -> dict[str, int]:
    """The number of units in each stage, in the stages' natural order.

    Raises:
      ValueError: if there is no stage, if unit numbers have a gap, or if two
        collections (say `params` and `batch_stats`) disagree.
    """
    found: dict[str, Series] = {}
    for _, series in self._all_series(tree):
      first = found.setdefault(series.name, series)
      if first.length != series.length:
        raise ValueError(
          f'{series.name} has {first.length} units in {first.path!r} but '
          f'{series.length} in {series.path!r}'
        )
    if not found:
      kinds = ' or '.join(repr(p) for p in (self.units, self.stacked) if p)
      raise ValueError(
        f'no stage found: no path in the tree ends in {kinds}; give the Layout '
        'of this network'
      )
    depths: dict[str, int] = {}
    for name in sorted(found, key=_natural):
      depths |= self._stages(found[name])
    return depths

  def by_shape(self, tree: PyTree, fixed: int = 0) -> 'Layout':
    """The layout in which equal units in a row are a stage of their own.

    For networks whose blocks are numbered throughout and change shape on the
    way, like MobileNetV2. The stages of `block(\\d+)` are called `block/run0`,
    `block/run1`, ...; the result serves all collections of this network.

    Args:
      tree: parameters, with all leaves of its units (not masks alone).
      fixed: of the new layout: a run's units are alike, so 0.

    Raises:
      ValueError: as `depths` does.
    """
    plain = dataclasses.replace(self, runs=None)
    depths = plain.depths(tree)
    shapes: dict[str, list[dict[str, Any]]] = {
      name: [{} for _ in range(units)] for name, units in depths.items()
    }
    for node, series in plain._all_series(tree):
      for unit, found in enumerate(unit_shapes(node, series, self.period)):
        here = {f'{series.path}:{leaf}': s for leaf, s in found.items()}
        shapes[series.name][unit].update(here)
    runs = {name: lengths_of_runs(units) for name, units in shapes.items()}
    return dataclasses.replace(self, runs=runs, fixed=fixed)

  def check_alike(self, tree: PyTree, tables: Tables) -> None:
    """Checks that units 1, 2, ... of each stage have the same leaves.

    Unit 0 may differ (it changes the width or carries a shortcut), unless its
    stage's table moves it. `None` stands for a leaf of any shape, as in a tree
    of masks.

    Raises:
      ValueError: naming stage, unit and leaf.
    """
    for node, series in self._all_series(tree):
      if not series.layers:
        continue
      stages = self._stages(series)
      shapes = unit_shapes(node, series, self.period)
      start = 0
      for stage, depth in stages.items():
        table = tables[stage]
        first = 0 if not table or table[0] != 0 or 0 in table[1:] else 1
        mine = shapes[start : start + depth]
        where = f'{series.path}, {stage}'
        check_alike(where, dict(enumerate(mine[first:], first)))
        start += depth

  def rewrite(self, tree: PyTree, tables: Tables) -> PyTree:
    """Puts source unit `tables[stage][t]` at unit t; the rest passes through.

    Leaves are neither copied nor converted, except that a stacked stage is
    indexed.
    """
    return rewrite_below(self, tree, '', tables)

  def leaves(self, tree: PyTree) -> Iterator[Leaf]:
    """Every leaf with its stage and unit; stacked ones layer by layer."""
    found: list[Leaf] = []
    self.map_units(lambda leaf: found.append(leaf), tree, outside=True)
    return iter(found)

  def map_units(
    self,
    function: Callable[..., Any],
    tree: PyTree,
    *others: PyTree,
    outside: bool = False,
  ) -> PyTree:
    """Maps `function(leaf, *others)` over the leaves of units.

    Args:
      function: takes a `Leaf` and the values at the same place in `others`.
      tree: any tree of this layout.
      *others: trees of the same structure.
      outside: also map leaves outside all stages; they pass through else.

    Returns:
      A tree of the same kind; stacked leaves are put together again.
    """
    rows = zip_named(tree, *others)
    return map_below(self, function, tree, rows, '', outside)

  def order_of_layers(self, series: Series, tables: Tables) -> list[int]:
    """The source layer of each target layer, stages joined, units unfolded."""
    order: list[int] = []
    start = 0
    for stage, depth in self._stages(series).items():
      for unit in tables[stage]:
        first = (start + unit) * self.period
        order += range(first, first + self.period)
      start += depth
    return order

  def _stages(self, series: Series) -> dict[str, int]:
    """The stages that a series of layers makes up, with their depths."""
    units, rest = divmod(series.length, self.period)
    if rest:
      raise ValueError(
        f'{series.path!r}: {series.length} layers do not divide into units of '
        f'{self.period}'
      )
    if self.runs is None:
      return {series.name: units}
    runs = self.runs.get(series.name, (units,))
    if sum(runs) != units:
      raise ValueError(
        f'{series.path!r} has {units} units, but runs {runs} have {sum(runs)}; '
        'call by_shape on the parameters of this network'
      )
    return {f'{series.name}/run{i}': length for i, length in enumerate(runs)}

  def place_of(self, series: Series, layer: int) -> tuple[str, int, str]:
    """(stage, unit, which layer of the unit) of one layer of a series."""
    unit, inside = divmod(layer, self.period)
    which = f'layer {inside} of {self.period}' if self.period > 1 else ''
    for stage, depth in self._stages(series).items():
      if unit < depth:
        return stage, unit, which
      unit -= depth
    raise AssertionError(f'{series.name} has no layer {layer}')

  def series_at(self, node: PyTree, path: str) -> list[Series]:
    """The series whose layers a node holds; see `find_series`."""
    return find_series(node, path, self.units, self.stacked, self.axis)

  def _all_series(
    self, node: PyTree, path: str = ''
  ) -> Iterator[tuple[PyTree, Series]]:
    """All series below `node`, with the nodes that hold their layers."""
    series = self.series_at(node, path)
    for one in series:
      yield node, one
    if series and not series[0].layers:
      return
    parts = node_of(node)
    if parts is None or parts.boxed:
      return
    taken = {key for one in series for key in one.keys}
    for key, child in zip(parts.keys, parts.children, strict=True):
      if key not in taken:
        yield from self._all_series(child, join(path, key))


def _natural(name: str) -> list[tuple[int, str]]:
  parts = re.findall(r'\d+|\D+', name)
  return [(int(part), '') if part.isdigit() else (-1, part) for part in parts]
