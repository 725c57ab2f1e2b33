"""Where the stages and units of a model family stand in a parameter tree.

The only module that rewrites trees: a plan says which source unit each target
unit copies, a layout says where units are.
"""

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from elth_jax.trees import PyTree, flatten

Tables = Mapping[str, Sequence[int]]


@dataclasses.dataclass(frozen=True)
class Stage:
  """One place in a tree where a stage stands.

  Attributes:
    name: the stage's name, the same in every collection, e.g. `stage1`.
    path: where it stands, e.g. `params/stage1`.
    keys: the mapping keys of its units, by number; empty for stacked leaves.
    depth: the number of units.
  """

  name: str
  path: str
  keys: tuple[str, ...]
  depth: int


@dataclasses.dataclass(frozen=True)
class Layout:
  r"""The names of stages and units in the trees of one model family.

  Attributes:
    units: regular expression for the end of a unit's path. Its last group is
      the unit's number. The group called `stage`, or else what stands before
      the unit, names the stage: `encoder/layer_(\d+)` has one, `encoder`.
    stacked: regular expression for the end of the path of a node whose leaves
      all have a leading axis of units (scanned layers). There an ETT is an
      indexing of that axis; the group `stage`, or the path, names the stage.

  Raises:
    ValueError: if a pattern cannot be read or has no group for the number.
  """

  units: str = r'(?P<stage>stage\d+)/block(\d+)'
  stacked: str | None = None

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

  def depths(self, tree: PyTree) -> dict[str, int]:
    """The number of units in each stage, in the stages' natural order.

    Raises:
      ValueError: if there is no stage, if unit numbers have a gap, or if two
        collections (say `params` and `batch_stats`) disagree.
    """
    found: dict[str, Stage] = {}
    for _, stage in self._stages(tree):
      first = found.setdefault(stage.name, stage)
      if first.depth != stage.depth:
        raise ValueError(
          f'{stage.name} has {first.depth} units in {first.path!r} but '
          f'{stage.depth} in {stage.path!r}'
        )
    if not found:
      kinds = ' or '.join(repr(p) for p in (self.units, self.stacked) if p)
      raise ValueError(f'no stage found: no path in the tree ends in {kinds}')
    names = sorted(found, key=_natural)
    return {name: found[name].depth for name in names}

  def check_alike(self, tree: PyTree, tables: Tables) -> None:
    """Checks that units 1, 2, ... of each stage have the same leaves.

    Unit 0 may differ (it changes the width or carries a shortcut), unless its
    stage's table moves it. `None` stands for a leaf of any shape, as in a tree
    of masks.

    Raises:
      ValueError: naming stage, unit and leaf.
    """
    for node, stage in self._stages(tree):
      if not stage.keys:
        continue
      table = tables[stage.name]
      first = 0 if table[0] != 0 or 0 in table[1:] else 1
      shapes = [_shapes(node[key]) for key in stage.keys[first:]]
      for number, found in enumerate(shapes[1:], start=first + 1):
        _check_alike(stage, (first, shapes[0]), (number, found))

  def rewrite(self, tree: PyTree, tables: Tables) -> PyTree:
    """Puts source unit `tables[stage][t]` at unit t; the rest passes through.

    Leaves are neither copied nor converted, except that a stacked stage is
    indexed.
    """
    return self._rewrite(tree, '', tables)

  def _rewrite(self, node: PyTree, path: str, tables: Tables) -> PyTree:
    stage = self._stage_at(node, path)
    if stage and not stage.keys:
      index = np.asarray(tables[stage.name])
      return jax.tree.map(lambda leaf: leaf[index], node)
    if not isinstance(node, Mapping):
      return node
    children: dict[Any, Any] = {}
    for key, child in node.items():
      if not stage or key not in stage.keys:
        children[key] = self._rewrite(child, _join(path, key), tables)
      elif key == stage.keys[0]:
        for target, source in enumerate(tables[stage.name]):
          new_key = self._renumber(path, key, target)
          children[new_key] = node[stage.keys[source]]
    kind: Any = type(node)
    return children if kind is dict else kind(children)

  def _stages(
    self, node: PyTree, path: str = ''
  ) -> Iterator[tuple[PyTree, Stage]]:
    """All stages below `node`, with the nodes that hold their units."""
    if stage := self._stage_at(node, path):
      yield node, stage
    elif isinstance(node, Mapping):
      for key, child in node.items():
        yield from self._stages(child, _join(path, key))
    elif isinstance(node, list | tuple):
      for child in node:
        for _, stage in self._stages(child, path):
          raise ValueError(
            f'{stage.path!r} lies inside a {type(node).__name__}; '
            'stages must lie in nested mappings'
          )

  def _stage_at(self, node: PyTree, path: str) -> Stage | None:
    if self.stacked and (match := _match_end(self.stacked, path)):
      lengths = {np.shape(leaf)[:1] for leaf in jax.tree.leaves(node)}
      if not lengths:
        return None  # only None leaves: nothing to index, nothing to count
      if len(lengths) > 1 or lengths == {()}:
        raise ValueError(f'{path!r}: leaves have no common leading unit axis')
      name = match.groupdict().get('stage') or match['end']
      return Stage(name, path, (), lengths.pop()[0])
    if not isinstance(node, Mapping):
      return None
    keys: dict[int, str] = {}
    name = ''
    for key in node:
      if match := _match_end(self.units, _join(path, key)):
        parent = match['end'].rpartition('/')[0] or path.rpartition('/')[2]
        name = match.groupdict().get('stage') or parent
        digits = match.group(match.re.groups)
        if not digits.isdecimal():
          raise ValueError(f'{path}/{key}: {digits!r} is no unit number')
        number = int(digits)
        if number in keys:
          raise ValueError(f'{path!r} has unit {number} twice')
        keys[number] = key
    if not keys:
      return None
    if missing := set(range(max(keys))) - set(keys):
      raise ValueError(
        f'{path!r} has unit {max(keys)} but no unit {min(missing)}: '
        'units must be numbered from 0 without gaps'
      )
    ordered = tuple(keys[number] for number in range(len(keys)))
    return Stage(name, path, ordered, len(keys))

  def _renumber(self, path: str, key: str, number: int) -> str:
    full = _join(path, key)
    match = _match_end(self.units, full)
    assert match is not None
    start, end = match.span(match.re.groups)
    width = end - start if full[start] == '0' else 0
    text = full[:start] + str(number).zfill(width) + full[end:]
    return text[len(full) - len(key) :]


def _match_end(pattern: str, path: str) -> re.Match[str] | None:
  return re.fullmatch(rf'(?:.*/)?(?P<end>{pattern})', path)


def _join(path: str, key: Any) -> str:
  return f'{path}/{key}' if path else str(key)


def _natural(name: str) -> list[tuple[int, str]]:
  parts = re.findall(r'\d+|\D+', name)
  return [(int(part), '') if part.isdigit() else (-1, part) for part in parts]


def _shapes(unit: PyTree) -> dict[str, tuple[int, ...] | None]:
  return {
    name: None if leaf is None else tuple(getattr(leaf, 'shape', ()))
    for name, leaf in flatten(unit).items()
  }


def _check_alike(stage: Stage, expected, found) -> None:
  (one, wanted), (other, shapes) = expected, found
  for name in sorted(wanted.keys() | shapes.keys()):
    where = f'{stage.path}, unit {other}, leaf {name or "(the unit)"!r}'
    if name not in wanted or name not in shapes:
      has = one if name in wanted else other
      raise ValueError(f'{where}: of units {one} and {other} only {has} has it')
    if (
      None not in (wanted[name], shapes[name]) and wanted[name] != shapes[name]
    ):
      raise ValueError(
        f'{where}: shape {shapes[name]} differs from {wanted[name]} in unit '
        f'{one}, so these units cannot stand for each other'
      )
