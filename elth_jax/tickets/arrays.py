"""Trees as named arrays, as files hold them, and back.

An array is named by its collection and path: `params/stage1/block0/kernel`.
Where names alone do not bring a tree back (numbers or slashes in keys, another
order than the sorted one, empty nodes, `None`), the paths are kept beside the
arrays, and slashes inside a key are written `~1`, as in a JSON pointer.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from elth_jax.trees import (
  Path,
  PyTree,
  insert,
  name_of,
  node_of,
  unflatten,
)

MOST_KEYS = 32  # of a path
NONE, EMPTY = 'none', 'empty'  # what a path without an array leads to
Paths = list[Any]  # JSON: [collection, key, ...], last a dict for NONE or EMPTY


def to_arrays(
  trees: Mapping[str, PyTree], optional: str = ''
) -> tuple[dict[str, np.ndarray], Paths | None]:
  """Arrays by name, and the paths where names alone are not enough.

  Args:
    trees: collection -> nested mappings of arrays.
    optional: the collection whose leaves may be `None`; leaves of `params`
      that have no array there are `None` when it is read.

  Raises:
    ValueError: naming the leaf, if a key is neither text nor a whole number,
      or two keys of one node read alike.
  """
  plain = all(_is_plain(tree, name == optional) for name, tree in trees.items())
  arrays: dict[str, np.ndarray] = {}
  paths: Paths = []
  for collection, tree in trees.items():
    for path, leaf in _ends(tree):
      name = (
        name_of((collection, *path)) if plain else _escaped((collection, *path))
      )
      if isinstance(leaf, np.ndarray):
        if name in arrays:
          raise ValueError(f'two leaves are called {name!r}')
        arrays[name] = np.asarray(leaf, order='C')
      if len(path) >= MOST_KEYS:
        raise ValueError(
          f'{name_of(path)[:80]}... lies below {len(path)} keys, more than '
          f'{MOST_KEYS - 1}'
        )
      mark = [] if isinstance(leaf, np.ndarray) else [_mark(leaf)]
      paths.append([collection, *path, *mark])
  return arrays, None if plain else paths


def from_arrays(
  arrays: Mapping[str, np.ndarray],
  paths: Paths | None,
  collections: tuple[str, ...],
  optional: str = '',
) -> dict[str, Any]:
  """The trees that `to_arrays` was given, as plain nested dictionaries.

  Raises:
    ValueError: if names and paths contradict each other; both may come from
      anybody.
  """
  for name in arrays:
    if name.partition('/')[0] not in collections:
      raise ValueError(f'unknown tensor {name!r}')
  if paths is None:
    return _from_names(arrays, collections, optional)
  trees: dict[Any, Any] = {}
  left = dict(arrays)
  for entry in _checked(paths):
    *path, mark = entry if isinstance(entry[-1], dict) else (*entry, None)
    if path[0] not in collections:
      raise ValueError(f'unknown collection {path[0]!r}')
    if mark is None:
      leaf = left.pop(_escaped(tuple(path)), None)
      if leaf is None:
        raise ValueError(f'no tensor for the path {path}')
    else:
      leaf = None if mark == {NONE: True} else {}
    if len(path) > 1:
      insert(trees, tuple(path), leaf)
  if left:
    raise ValueError(f'tensors without a path: {sorted(left)[:4]}')
  return {name: trees.get(name, {}) for name in collections}


def _from_names(arrays, collections, optional: str) -> dict[str, Any]:
  """Trees in which every node's keys are sorted."""
  flat: dict[str, dict[str, Any]] = {name: {} for name in collections}
  for name in sorted(arrays):
    collection, _, leaf = name.partition('/')
    flat[collection][leaf] = arrays[name]
  if optional:
    if stray := flat[optional].keys() - flat['params'].keys():
      raise ValueError(f'{optional} without weights: {sorted(stray)}')
    flat[optional] = {name: flat[optional].get(name) for name in flat['params']}
  return {name: _sorted(unflatten(leaves)) for name, leaves in flat.items()}


def _ends(tree: PyTree, path: Path = ()) -> Iterator[tuple[Path, Any]]:
  """(path, leaf) of leaves, and (path, {}) of empty nodes but the root."""
  node = node_of(tree)
  if node is None or (path and not node.keys):
    yield path, tree
    return
  for at, child in node.items(path):
    yield from _ends(child, at)


def _is_empty(value: Any) -> bool:
  node = node_of(value)
  return node is not None and not node.keys


def _mark(leaf: Any) -> dict[str, bool]:
  return {NONE: True} if leaf is None else {EMPTY: True}


def _is_plain(tree: PyTree, may_be_none: bool) -> bool:
  """Whether names bring a tree back: sorted keys of plain text, and arrays."""
  node = node_of(tree)
  if node is None:
    return tree is not None or may_be_none
  keys = node.keys
  return (
    all(isinstance(key, str) and key and '/' not in key for key in keys)
    and keys == sorted(keys)
    and not any(_is_empty(child) for child in node.children)
    and all(_is_plain(child, may_be_none) for child in node.children)
  )


def _escaped(path: Path) -> str:
  for key in path:
    if not isinstance(key, str | int) or isinstance(key, bool):
      raise ValueError(
        f'{name_of(path)}: the key {key!r} is a {type(key).__name__}; keys of '
        'a file are text or whole numbers'
      )
  return '/'.join(
    str(key).replace('~', '~0').replace('/', '~1') for key in path
  )


def _checked(paths: Any) -> Iterator[list[Any]]:
  """The entries, each with at least a collection and keys of the right kind."""
  if not isinstance(paths, list):
    raise ValueError(f'paths are {paths!r:.80}')
  for entry in paths:
    keys = entry[:-1] if entry and isinstance(entry[-1], dict) else entry
    if (
      not isinstance(entry, list)
      or not 0 < len(keys) <= MOST_KEYS
      or not all(type(key) in (str, int) for key in keys)
    ):
      raise ValueError(f'{entry!r:.80} is no path')
    if keys is not entry and entry[-1] not in ({NONE: True}, {EMPTY: True}):
      raise ValueError(f'{entry!r:.80} leads to nothing known')
    yield entry


def _sorted(tree: Any) -> Any:
  if not isinstance(tree, dict):
    return tree
  return {key: _sorted(tree[key]) for key in sorted(tree)}
