"""Masks: making, applying and counting them."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from elth_jax.trees import (
  PyTree,
  flatten,
  map_named,
  named_leaves,
  zip_named,
)

NeverPruned = Callable[
  [str], bool
]  # name of a leaf -> whether it stays as it is


def nothing(name: str) -> bool:
  """Spares no leaf."""
  del name
  return False


def dense_masks(params: PyTree, prunable: Callable[[str], bool]) -> PyTree:
  """All-true masks for the leaves whose name is `prunable`, else `None`."""

  def dense(name, leaf):
    if leaf is None or not prunable(name):
      return None
    return np.ones(np.shape(leaf), bool)

  return map_named(dense, params)


def nonzero_masks(params: PyTree, prunable: Callable[[str], bool]) -> PyTree:
  """Masks of weights that were pruned to exact zeros: true where not 0.

  Args:
    params: of a network that was pruned.
    prunable: name -> whether a leaf has a mask, e.g. of `Architecture.family`.

  Returns:
    Bool arrays with the structure of `params`; `None` for other leaves.
  """

  def nonzero(name, leaf):
    if leaf is None or not prunable(name):
      return None
    return np.asarray(leaf) != 0

  return map_named(nonzero, params)


def masked_leaves(masks: PyTree) -> Iterator[tuple[str, Any]]:
  """Yields (name, mask) of the leaves that have one.

  Raises:
    ValueError: naming the leaf, if a mask is not bool.
  """
  for name, mask in named_leaves(masks):
    if mask is not None:
      check_bool(name, mask)
      yield name, mask


def check_bool(name: str, mask: Any) -> None:
  """Raises `ValueError`, naming the leaf, unless a mask is bool."""
  if getattr(mask, 'dtype', None) != np.dtype(bool):
    found = getattr(mask, 'dtype', type(mask).__name__)
    raise ValueError(
      f'mask {name} is {found}, not bool; give mask.astype(bool)'
    )


def as_mask(name: str, mask: Any) -> np.ndarray | None:
  """A mask as bool; `ValueError`, naming the leaf, if it is not 0 and 1."""
  if mask is None:
    return None
  values = np.asarray(mask)
  if not np.isin(values, (0, 1)).all():
    raise ValueError(
      f'mask {name} has values other than 0 and 1; give mask != 0'
    )
  return values.astype(bool)


def check_masks(masks: PyTree, params: PyTree) -> None:
  """Checks that masks are bool and fit the parameters.

  Raises:
    ValueError: naming the leaf, if the structures, a shape or a dtype differ.
  """
  for name, weight, mask in zip_named(params, masks):
    if mask is None:
      continue
    check_bool(name, mask)
    _check_shape(name, weight, mask)


def _check_shape(name: str, weight: Any, mask: Any) -> None:
  if weight is None or np.shape(weight) != np.shape(mask):
    raise ValueError(
      f'{name}: mask of shape {np.shape(mask)} for '
      + ('None' if weight is None else f'a weight of {np.shape(weight)}')
    )


def apply_masks(tree: PyTree, masks: PyTree) -> PyTree:
  """The tree with exact zeros where a mask is false (numpy or jax leaves).

  Weights outside a mask become 0 whatever they are, infinite and NaN included.
  Masks of numbers count as false where they are 0.

  Raises:
    ValueError: naming the leaf, if the structures or a shape differ.
  """

  def masked(name, leaf, mask):
    if mask is None:
      return leaf
    _check_shape(name, leaf, mask)
    return keep_where(mask != 0, leaf)

  return map_named(masked, tree, masks)


def keep_where(mask: Any, leaf: Any) -> Any:
  """An array with zeros where its mask is false; numpy stays numpy."""
  if isinstance(leaf, jax.Array) or isinstance(mask, jax.core.Tracer):
    return jnp.where(mask, leaf, jnp.zeros((), leaf.dtype))
  leaf = np.asarray(leaf)
  zeros = np.zeros((), leaf.dtype)
  if leaf.dtype.kind == 'f':  # signed, as products with a mask were
    zeros = np.copysign(zeros, leaf)
  return np.where(mask, leaf, zeros)


def counts(masks: PyTree) -> tuple[int, int]:
  """(weights kept, weights in all) over the masked leaves."""
  leaves = [mask for _, mask in masked_leaves(masks)]
  kept = sum(int(np.count_nonzero(mask)) for mask in leaves)
  return kept, sum(mask.size for mask in leaves)


def sparsity(masks: PyTree) -> float:
  """The share of zeros, 0 to 1, over all masked weights."""
  kept, total = counts(masks)
  return 1 - kept / total if total else 0.0


def layer_densities(masks: PyTree) -> dict[str, float]:
  """The share of weights kept, 0 to 1, for each masked leaf by name.

  Raises:
    ValueError: if two leaves have one name, since a key holds a slash.
  """
  flatten(masks)
  return {
    name: float(np.count_nonzero(mask) / mask.size)
    for name, mask in masked_leaves(masks)
  }


def collapsed(masks: PyTree) -> list[str]:
  """The names of masked leaves that keep nothing: layer collapse."""
  return [name for name, mask in masked_leaves(masks) if not np.any(mask)]


def check_prunable(masks: PyTree) -> None:
  """Raises `ValueError`, naming leaves, if no leaf has a mask."""
  if not any(True for _ in masked_leaves(masks)):
    names = [name for name, _ in named_leaves(masks)][:4]
    raise ValueError(
      f'nothing can be pruned: no leaf has a mask, of {names or "no leaves"}; '
      'does the rule for prunable leaves match their names?'
    )
