"""The shapes of units: which of them can stand for each other."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from elth_jax.elastic.series import Series
from elth_jax.trees import PyTree, flatten, join

Shapes = Mapping[str, Any]  # leaf of a unit -> its shape, or None


def unit_shapes(node: PyTree, series: Series, period: int) -> Sequence[Shapes]:
  """Shapes by leaf for each unit of `period` layers of a numbered series."""
  units: list[dict[str, Any]] = [{} for _ in range(series.length // period)]
  for number, layer in enumerate(series.layers):
    unit, inside = divmod(number, period)
    for rest, key in layer.items():
      for name, leaf in flatten(node[key]).items():
        shape = None if leaf is None else tuple(getattr(leaf, 'shape', ()))
        full = '/'.join(filter(None, (rest.lstrip('./'), name)))
        if period > 1:
          full = join(f'layer {inside} of {period}', full)
        units[unit][full] = shape
  return units


def lengths_of_runs(units: Sequence[Shapes]) -> tuple[int, ...]:
  """How many units in a row are equal, again and again."""
  lengths = [1]
  for one, other in itertools.pairwise(units):
    if one == other:
      lengths[-1] += 1
    else:
      lengths.append(1)
  return tuple(lengths)


def check_alike(where: str, units: Mapping[int, Shapes]) -> None:
  """Checks the shapes of units, by number, against each other.

  Raises:
    ValueError: naming place, unit and leaf.
  """
  leaves = sorted({name for shapes in units.values() for name in shapes})
  for name in leaves:
    known: tuple[int, Any] | None = None
    for number, shapes in units.items():
      at = f'{where}, unit {number}, leaf {name or "(the unit)"!r}'
      if name not in shapes:
        raise ValueError(f'{at} is missing, but other units of it have one')
      shape = shapes[name]
      if shape is None:
        continue
      if known is None:
        known = number, shape
      elif shape != known[1]:
        raise ValueError(
          f'{at}: shape {shape} differs from {known[1]} in unit {known[0]}, '
          'so these units cannot stand for each other'
        )
