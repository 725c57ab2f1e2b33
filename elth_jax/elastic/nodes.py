"""Small steps over nested mappings that keep the mappings' own types."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax

from elth_jax.trees import PyTree


def join(path: str, key: Any) -> str:
  """The name of what lies under `key`."""
  return f'{path}/{key}' if path else str(key)


def like(node: Mapping, children: dict[Any, Any]) -> Any:
  """The children in a mapping of the node's own type."""
  kind: Any = type(node)
  if kind is dict:
    return children
  # nnx.State shows its children as States, but holds them as plain dicts
  plain = {key: getattr(c, 'raw_mapping', c) for key, c in children.items()}
  return kind(plain)


def map_below(
  function: Callable[..., Any], node: PyTree, others: Sequence[PyTree] = ()
) -> Any:
  """`function(name, leaf, *others)` at every leaf of a node."""
  return _map_below(function, node, others, '')


def rebox(layer: PyTree) -> PyTree:
  """The same arrays in new containers: nnx ties weights that share a Param."""
  return map_below(
    lambda name, leaf: jax.tree.map(lambda array: array, leaf), layer
  )


def _map_below(function, node, others, name: str) -> Any:
  """`function(name, leaf, *others)` below a node; mapping types are kept."""
  if not isinstance(node, Mapping):
    return function(name, node, *others)
  return like(
    node,
    {
      key: _map_below(
        function, child, [other[key] for other in others], join(name, key)
      )
      for key, child in node.items()
    },
  )
