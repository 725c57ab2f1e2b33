"""Trees of arrays: readable names for their leaves, and maps over them.

A node is a mapping of any type (dict, FrozenDict, nnx.State) or any other node
that JAX knows (a list, a dataclass, a boxed parameter). Everything else is a
leaf, `None` too. A leaf is named by its path, e.g.
`stage1/block2/conv1/kernel`; the box of a parameter adds nothing to its name.
What maps over a tree returns the same node types, keys and order of keys.
"""

import collections
import copy
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import jax
import numpy as np

PyTree = Any
Path = tuple[Any, ...]  # the keys from the root to a leaf, boxes left out


@dataclasses.dataclass(frozen=True)
class Node:
  """A node taken apart.

  Attributes:
    keys: of its children, as the node has them: names, or numbers in a list.
    children: in the same order.
    rebuild: makes a node of the same type from other children.
    boxed: whether it only wraps one leaf, as `nnx.Param` and
      `nn.Partitioned` do.
  """

  keys: list[Any]
  children: list[Any]
  rebuild: Callable[[list[Any]], Any]
  boxed: bool = False

  def items(self, path: Path) -> Iterator[tuple[Path, Any]]:
    """The path and the value of each child."""
    for key, child in zip(self.keys, self.children, strict=True):
      yield (path if self.boxed else (*path, key)), child


def node_of(value: PyTree) -> Node | None:
  """The parts of a node; `None` for a leaf."""
  if value is None or isinstance(value, np.ndarray | jax.Array | np.generic):
    return None
  if isinstance(value, Mapping):
    keys = list(value)
    return Node(
      keys,
      [value[key] for key in keys],
      lambda new: like(value, dict(zip(keys, new, strict=True))),
    )
  pairs, structure = jax.tree_util.tree_flatten_with_path(
    value, is_leaf=lambda part: part is not value
  )
  if pairs and jax.tree_util.treedef_is_leaf(structure):
    return None
  keys = [_plain_key(path[0]) for path, _ in pairs]
  children = [child for _, child in pairs]
  return Node(
    keys,
    children,
    structure.unflatten,
    boxed=keys == ['value'] and node_of(children[0]) is None,
  )


def like(node: Mapping, children: dict[Any, Any]) -> Any:
  """The children in a mapping of the node's own type."""
  if type(node) is dict:
    return children
  if isinstance(node, dict):  # an OrderedDict, or a defaultdict and its factory
    new = copy.copy(node)
    new.clear()
    new.update(children)
    return new
  kind: Any = type(node)
  if hasattr(node, 'raw_mapping'):  # nnx.State shows its mappings as States
    held = node.raw_mapping
    children = {
      key: child.raw_mapping
      if type(child) is kind and type(held.get(key)) is not kind
      else child
      for key, child in children.items()
    }
  return kind(children)


def join(name: str, key: Any) -> str:
  """The name of what lies under `key`."""
  return f'{name}/{key}' if name else str(key)


def leaves_with_paths(
  tree: PyTree, path: Path = ()
) -> Iterator[tuple[Path, Any]]:
  """Yields (path, leaf) in the tree's own order."""
  node = node_of(tree)
  if node is None:
    yield path, tree
    return
  for at, child in node.items(path):
    yield from leaves_with_paths(child, at)


def named_leaves(tree: PyTree) -> Iterator[tuple[str, Any]]:
  """Yields (name, leaf) in the tree's own order."""
  for path, leaf in leaves_with_paths(tree):
    yield name_of(path), leaf


def name_of(path: Path) -> str:
  """A leaf's name: its keys, joined by slashes."""
  return '/'.join(map(str, path))


def flatten(tree: PyTree) -> dict[str, Any]:
  """The tree as one flat dictionary from leaf name to leaf.

  Raises:
    ValueError: if two leaves have one name, since a key holds a slash.
  """
  leaves = list(named_leaves(tree))
  counted = collections.Counter(name for name, _ in leaves)
  if twice := [name for name, count in counted.items() if count > 1]:
    raise ValueError(
      f'two leaves are called {twice[0]!r}; use keys without slashes'
    )
  return dict(leaves)


def unflatten(leaves: Mapping[str, Any]) -> dict[str, Any]:
  """The nested dictionary whose flat form is `leaves`.

  Raises:
    ValueError: if one name is a prefix of another, or has an empty part.
  """
  tree: dict[str, Any] = {}
  for name, leaf in leaves.items():
    if not all(name.split('/')):
      raise ValueError(f'leaf name {name!r} has an empty part')
    insert(tree, tuple(name.split('/')), leaf)
  return tree


def insert(tree: dict[Any, Any], path: Path, leaf: Any) -> None:
  """Puts a leaf, or an empty node, into a nested dictionary.

  Raises:
    ValueError: naming the leaf, if something else is at its place.
  """
  *parents, last = path
  node = tree
  for key in parents:
    node = node.setdefault(key, {})
    if not isinstance(node, dict):
      raise ValueError(
        f'leaf {name_of(path)!r} lies below another leaf {key!r}'
      )
  if last in node:
    raise ValueError(
      f'leaf {name_of(path)!r} is also the parent of other leaves'
    )
  node[last] = leaf


def with_leaves(tree: PyTree, leaves: Iterable[Any]) -> PyTree:
  """The tree with other leaves, in the order of `named_leaves`."""
  return _refill(tree, iter(leaves))


def _refill(tree: PyTree, leaves: Iterator[Any]) -> PyTree:
  node = node_of(tree)
  if node is None:
    return next(leaves)
  return node.rebuild([_refill(child, leaves) for child in node.children])


def zip_named(tree: PyTree, *rest: PyTree) -> Iterator[tuple[Any, ...]]:
  """Yields (name, leaf, *other leaves) of trees with the same paths.

  Node types may differ, and so may boxes: the leaves of an `nnx.State` are
  paired with those of a plain dictionary.

  Raises:
    ValueError: naming the leaves that only some of the trees have.
  """
  first = _by_path(tree)
  others = [_by_path(other) for other in rest]
  for other in others:
    check_same_leaves(_shown(first), _shown(other))
  for path, leaf in first.items():
    yield name_of(path), leaf, *(other[path] for other in others)


def map_named(
  function: Callable[..., Any], tree: PyTree, *rest: PyTree
) -> PyTree:
  """Maps `function(name, leaf, *other_leaves)` over trees of one structure.

  Returns:
    A tree with the nodes of `tree`; other trees are paired by their paths.

  Raises:
    ValueError: naming the leaves that only some of the trees have.
  """
  rows = zip_named(tree, *rest)
  return with_leaves(tree, [function(*row) for row in rows])


def check_same_leaves(
  expected: Mapping[str, Any], found: Mapping[str, Any], what: str = 'tree'
) -> None:
  """Raises `ValueError` naming leaves that only one flat tree has."""
  missing = sorted(expected.keys() - found.keys())
  extra = sorted(found.keys() - expected.keys())
  if missing or extra:
    raise ValueError(
      f'{what}: leaves differ; missing {_some(missing)}, '
      f'unexpected {_some(extra)}'
    )


def check_like(expected: PyTree, found: PyTree, what: str = 'tree') -> None:
  """Checks leaves, shapes and dtypes against what a module would make.

  Args:
    expected: a tree of anything with shape and dtype, e.g. what
      `jax.eval_shape(module.init, key, x)` returns.
    found: the tree to check.
    what: what is checked, for errors.

  Raises:
    ValueError: naming the leaf.
  """
  wanted, leaves = flatten(expected), flatten(found)
  check_same_leaves(wanted, leaves, what)
  for name, leaf in wanted.items():
    shape = tuple(getattr(leaves[name], 'shape', ()))
    dtype = getattr(leaves[name], 'dtype', type(leaves[name]).__name__)
    if (tuple(leaf.shape), leaf.dtype) != (shape, dtype):
      raise ValueError(
        f'{what}: {name} is {dtype}{shape}, not {leaf.dtype}{leaf.shape}'
      )


def _by_path(tree: PyTree) -> dict[tuple[str, ...], Any]:
  """Path, its keys as text -> leaf: a number is the same key as its text."""
  found: dict[tuple[str, ...], Any] = {}
  for path, leaf in leaves_with_paths(tree):
    key = tuple(map(str, path))
    if key in found:
      raise ValueError(f'two keys of one node read {name_of(path)!r}')
    found[key] = leaf
  return found


def _shown(leaves: Mapping[tuple[str, ...], Any]) -> dict[str, Any]:
  """By name, with slashes inside a key told apart from those between keys."""
  return {
    name_of(tuple(key.replace('/', '\\/') for key in path)): leaf
    for path, leaf in leaves.items()
  }


def _plain_key(key: Any) -> Any:
  """What a key of JAX's paths holds: a name or a number."""
  for attribute in ('key', 'idx', 'name'):
    if hasattr(key, attribute):
      return getattr(key, attribute)
  return str(key)


def _some(names: list[str], most: int = 4) -> str:
  if not names:
    return 'none'
  more = f' and {len(names) - most} more' if len(names) > most else ''
  return ', '.join(names[:most]) + more
