"""Walks over trees that know where units stand: mapping and rewriting.

`Layout` says where that is, and has these walks as its methods.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from elth_jax.elastic.series import Series, renumber
from elth_jax.elastic.stacked import stack_layers, take_layer, take_layers
from elth_jax.trees import PyTree, join, like, map_named, node_of

Tables = Mapping[str, Sequence[int]]


@dataclasses.dataclass(frozen=True)
class Leaf:
  """One leaf of a tree, and where it stands.

  Attributes:
    path: its name in the tree.
    value: the array (for a stacked leaf, that of one layer), or `None`.
    stage: the stage it belongs to, or `None` outside all stages.
    unit: the number of its unit in that stage.
    within: its name within the unit, the same in all units that are alike.
    layer: which layer of a stacked leaf it is; `None` for a whole leaf.
  """

  path: str
  value: Any
  stage: str | None = None
  unit: int = 0
  within: str = ''
  layer: int | None = None

  @property
  def name(self) -> str:
    """Its path, with `[n]` behind for layer n of a stacked leaf."""
    return self.path if self.layer is None else f'{self.path}[{self.layer}]'


def map_below(layout, function, node, rows, path, outside) -> PyTree:
  """Maps over the leaves below a node; see `Layout.map_units`.

  Args:
    layout: a `Layout`, which says where units stand.
    function: takes a `Leaf`, and the values of the other trees there.
    node: what lies at `path`.
    rows: an iterator over (name, leaf, *other values), which stands at the
      node's first leaf.
    path: of the node, from the root.
    outside: also map leaves outside all stages.
  """
  series = layout.series_at(node, path)
  if series and not series[0].layers:
    return _map_stacked(layout, function, node, rows, series[0])
  parts = node_of(node)
  if parts is None:
    _, leaf, *rest = next(rows)
    return function(Leaf(path, leaf), *rest) if outside else leaf
  places = {
    key: (*layout.place_of(one, number), rest)
    for one in series
    for key, (number, rest) in one.keys.items()
  }
  children = []
  for key, child in zip(parts.keys, parts.children, strict=True):
    at = path if parts.boxed else join(path, key)
    if key in places:
      children.append(_map_unit(function, child, rows, at, places[key]))
    else:
      children.append(map_below(layout, function, child, rows, at, outside))
  return parts.rebuild(children)


def _map_stacked(layout, function, node, rows, series: Series) -> PyTree:
  def each(name, leaf):
    _, _, *rest = next(rows)
    if leaf is None:
      whole = Leaf(
        join(series.path, name), None, *layout.place_of(series, 0)[:2]
      )
      return function(whole, *rest)
    mapped = []
    for number in range(series.length):
      stage, unit, before = layout.place_of(series, number)
      within = '/'.join(filter(None, (before, name)))
      full = join(series.path, name)
      inside = [
        other if other is None else take_layer(other, number, layout.axis)
        for other in rest
      ]
      value = take_layer(leaf, number, layout.axis)
      part = Leaf(full, value, stage, unit, within, number)
      mapped.append(function(part, *inside))
    return None if mapped[0] is None else stack_layers(mapped, layout.axis)

  return map_named(each, node)


def _map_unit(function, unit, rows, path: str, place) -> PyTree:
  """Maps over the leaves of one layer; see `map_below`."""
  stage, number, *before = place

  def each(name, leaf):
    _, _, *rest = next(rows)
    full = join(path, name) if name else path
    within = '/'.join(filter(None, (*before, name)))
    return function(Leaf(full, leaf, stage, number, within), *rest)

  return map_named(each, unit)


def rewrite_below(layout, node: PyTree, path: str, tables: Tables) -> PyTree:
  """Puts units where the tables say below a node; see `Layout.rewrite`."""
  series = layout.series_at(node, path)
  if series and not series[0].layers:
    order = layout.order_of_layers(series[0], tables)
    return map_named(
      lambda _, leaf: (
        None if leaf is None else take_layers(leaf, order, layout.axis)
      ),
      node,
    )
  parts = node_of(node)
  if parts is None or parts.boxed:
    return node
  if series:
    return like(node, _rewrite_units(layout, node, path, series, tables))
  return parts.rebuild(
    [
      rewrite_below(layout, child, join(path, key), tables)
      for key, child in zip(parts.keys, parts.children, strict=True)
    ]
  )


def _rewrite_units(
  layout: Any, node: Mapping, path: str, series: list[Series], tables: Tables
) -> dict[Any, Any]:
  """The children of a node that holds the layers of some series."""
  owner = {key: one for one in series for key in one.keys}
  children: dict[Any, Any] = {}
  done: set[str] = set()
  for key, child in node.items():
    if key not in owner:
      children[key] = rewrite_below(layout, child, join(path, key), tables)
    elif (one := owner[key]).prefix not in done:
      done.add(one.prefix)
      order = layout.order_of_layers(one, tables)
      for target, source in enumerate(order):
        again = source in order[:target]
        for old in one.layers[source].values():
          new = renumber(layout.units, path, old, target, one.digits)
          children[new] = _rebuilt(node[old]) if again else node[old]
  return children


def _rebuilt(layer: PyTree) -> PyTree:
  """The same arrays in new nodes: nnx ties weights that share a Param."""
  return map_named(lambda _, leaf: leaf, layer)
