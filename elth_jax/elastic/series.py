"""Finding layers by their names: a series is layers 0, 1, ... in one place."""

import dataclasses
import functools
import numbers
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from elth_jax.trees import join, named_leaves


@dataclasses.dataclass(frozen=True)
class Series:
  """Layers numbered without gaps under one name, in one mapping.

  Attributes:
    name: the same in every collection, e.g. `stage1`.
    path: where it stands, e.g. `params/stage1`.
    length: the number of layers.
    prefix: what stands before the number in its leaves' paths.
    digits: to how many digits numbers are padded with zeros; 0 if not.
    layers: for each layer, the mapping's keys that belong to it, by what
      follows the number ('' where a key is the whole layer, as in nested
      trees). Empty if layers are an axis of stacked leaves.
  """

  name: str
  path: str
  length: int
  prefix: str = ''
  digits: int = 0
  layers: tuple[Mapping[str, Any], ...] = ()

  @property
  def keys(self) -> dict[Any, tuple[int, str]]:
    """The keys of its layers: (number of the layer, what follows it)."""
    return {
      key: (number, rest.lstrip('./'))
      for number, layer in enumerate(self.layers)
      for rest, key in layer.items()
    }


def find_series(
  node: Any, path: str, units: str, stacked: str | None, axis: int
) -> list[Series]:
  """The series whose layers are keys of this node, or an axis of its leaves.

  Raises:
    ValueError: naming the path: a gap in the numbers, a number twice, layers in
      a list, or leaves without a common axis of layers.
  """
  if stacked and (match := _match_end(stacked, path)):
    name = match.groupdict().get('stage') or match['end']
    length = _common_length(node, path, axis)
    return [] if length is None else [Series(name, path, length)]
  if isinstance(node, list | tuple) and any(
    _match_layer(units, path, key) for key in range(len(node))
  ):
    raise ValueError(
      f'{path!r}: its layers are in a {type(node).__name__}; give a mapping '
      'from number to layer'
    )
  if not isinstance(node, Mapping):
    return []
  found: dict[str, dict[int, dict[str, Any]]] = {}
  names: dict[str, str] = {}
  padded: dict[str, int] = {}
  for key in node:
    match = _match_layer(units, path, key)
    if match is None:
      continue
    number = _number(match, units)
    prefix, rest = match.string[: match.start(_group(units))], match['rest']
    layer = found.setdefault(prefix, {}).setdefault(number, {})
    if rest in layer:
      raise ValueError(f'{path!r} has unit {number} twice')
    layer[rest] = key
    names[prefix] = match.groupdict().get('stage') or _before(match, units)
    text = match[_group(units)]
    if len(text) > 1 and text.startswith('0'):
      padded[prefix] = max(len(text), padded.get(prefix, 0))
  series = []
  for prefix, layers in found.items():
    if missing := set(range(max(layers))) - set(layers):
      raise ValueError(
        f'{path!r} has unit {max(layers)} but no unit {min(missing)}: '
        'units must be numbered from 0 without gaps'
      )
    ordered = tuple(layers[number] for number in range(len(layers)))
    digits = padded.get(prefix, 0)
    series.append(
      Series(names[prefix], path, len(ordered), prefix, digits, ordered)
    )
  return series


def renumber(
  units: str, path: str, key: Any, number: int, digits: int = 0
) -> Any:
  """The key of the same leaf or layer, of another number.

  Args:
    units: the layout's pattern.
    path: of the mapping that has the key.
    key: of any layer of the series.
    number: the new one.
    digits: to which it is padded with zeros; see `Series`.
  """
  if isinstance(key, numbers.Integral):
    return number
  full = join(path, key)
  match = _match_layer(units, path, key)
  if match is None:
    raise ValueError(f'{full!r} is no layer of {units!r}')
  start, end = match.span(_group(units))
  text = full[:start] + str(number).zfill(digits) + full[end:]
  return text[len(full) - len(key) :]


def _match_layer(units: str, path: str, key: Any) -> re.Match[str] | None:
  """The match of a layer's path, if this key holds its number."""
  full = join(path, key)
  match = _compiled(units).fullmatch(full)
  if match and match.start(_group(units)) < len(full) - len(str(key)):
    return None
  return match


@functools.lru_cache
def _compiled(units: str) -> re.Pattern[str]:
  return re.compile(rf'(?:.*?[/.])?(?P<end>{units})(?P<rest>(?:[/.].*)?)')


@functools.lru_cache
def _group(units: str) -> int:
  """The group of the number, behind the group called `end`."""
  return 1 + re.compile(units).groups


def _number(match: re.Match[str], units: str) -> int:
  digits = match[_group(units)]
  if not digits.isdecimal():
    raise ValueError(f'{match.string}: {digits!r} is no unit number')
  return int(digits)


def _before(match: re.Match[str], units: str) -> str:
  """A name from what the pattern matches before the number."""
  text = match.string[match.start('end') : match.start(_group(units))]
  *parents, last = re.split(r'[/.]', text)
  return '/'.join(filter(None, parents)) or last.rstrip('_-') or 'units'


def _common_length(node: Any, path: str, axis: int) -> int | None:
  """The length of the axis of layers; `None` if all leaves are `None`."""
  lengths = {
    np.shape(leaf)[axis : axis + 1]
    for _, leaf in named_leaves(node)
    if leaf is not None
  }
  if len(lengths) > 1 or lengths == {()}:
    raise ValueError(
      f'{path!r}: leaves have no common leading unit axis'
      if axis == 0
      else f'{path!r}: leaves have no common axis {axis} of units'
    )
  return lengths.pop()[0] if lengths else None


def _match_end(pattern: str, path: str) -> re.Match[str] | None:
  return re.fullmatch(rf'(?:.*[/.])?(?P<end>{pattern})', path)
