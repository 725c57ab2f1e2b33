"""Readable names for the leaves of nested mappings, and maps over them.

A tree here is a nested mapping whose leaves are arrays or `None`. A leaf is
named by its path, e.g. `stage1/block2/conv1/kernel`.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

PyTree = Any


def named_leaves(tree: PyTree, prefix: str = '') -> Iterator[tuple[str, Any]]:
  """Yields (name, leaf) in the tree's own order; `None` counts as a leaf."""
  if not isinstance(tree, Mapping):
    yield prefix, tree
    return
  for key, child in tree.items():
    yield from named_leaves(child, f'{prefix}/{key}' if prefix else str(key))


def flatten(tree: PyTree) -> dict[str, Any]:
  """The tree as one flat dictionary from leaf name to leaf."""
  return dict(named_leaves(tree))


def unflatten(leaves: Mapping[str, Any]) -> dict[str, Any]:
  """The nested dictionary whose flat form is `leaves`.

  Raises:
    ValueError: if one name is a prefix of another, or has an empty part.
  """
  tree: dict[str, Any] = {}
  for name, leaf in leaves.items():
    *parents, last = name.split('/')
    node = tree
    for part in parents:
      node = node.setdefault(part, {})
      if not isinstance(node, dict):
        raise ValueError(f'leaf {name!r} lies below another leaf {part!r}')
    if not all([*parents, last]):
      raise ValueError(f'leaf name {name!r} has an empty part')
    if last in node:
      raise ValueError(f'leaf {name!r} is also the parent of other leaves')
    node[last] = leaf
  return tree


def map_named(
  function: Callable[..., Any], tree: PyTree, *rest: PyTree
) -> dict[str, Any]:
  """Maps `function(name, leaf, *other_leaves)` over trees of one structure.

  Raises:
    ValueError: naming the leaves that only some of the trees have.
  """
  first = flatten(tree)
  others = [flatten(other) for other in rest]
  for other in others:
    check_same_leaves(first, other)
  return unflatten(
    {
      name: function(name, leaf, *(other[name] for other in others))
      for name, leaf in first.items()
    }
  )


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


def _some(names: list[str], most: int = 4) -> str:
  if not names:
    return 'none'
  more = f' and {len(names) - most} more' if len(names) > most else ''
  return ', '.join(names[:most]) + more
