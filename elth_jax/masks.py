"""Masks over parameters: building, selecting, permuting and counting.

A mask tree has the structure of the parameters; a leaf is a bool array, true
where the weight is kept, or `None` where the parameter is dense and does not
count (biases, BN). Sparsity is the share of zeros among masked weights.
Functions that count or choose weights raise `ValueError`, naming the leaf, for
masks that are not bool: as indices, 0 and 1 would stand for two weights.
"""

import math
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from elth_jax.trees import (
  PyTree,
  map_named,
  named_leaves,
  with_leaves,
  zip_named,
)

Spared = Callable[[str], bool]  # name of a leaf -> whether it stays as it is


def nothing(name: str) -> bool:
  """Spares no leaf."""
  del name
  return False


def dense_masks(params: PyTree, prunable: Callable[[str], bool]) -> PyTree:
  """All-true masks for the leaves whose name is `prunable`, else `None`."""
  return map_named(
    lambda name, leaf: (
      np.ones(np.shape(leaf), bool) if prunable(name) else None
    ),
    params,
  )


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
    if np.shape(leaf) != mask.shape:
      raise ValueError(
        f'{name}: mask of shape {mask.shape} for a weight of {np.shape(leaf)}'
      )
    return keep_where(mask != 0, leaf)

  return map_named(masked, tree, masks)


def keep_where(mask: Any, leaf: Any) -> Any:
  """An array with zeros where its mask is false; numpy stays numpy."""
  if isinstance(leaf, jax.Array) or isinstance(mask, jax.core.Tracer):
    return jnp.where(mask, leaf, jnp.zeros((), leaf.dtype))
  leaf = np.asarray(leaf)
  return np.where(mask, leaf, np.zeros((), leaf.dtype))


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
  """The share of weights kept, 0 to 1, for each masked leaf by name."""
  return {
    name: float(np.count_nonzero(mask) / mask.size)
    for name, mask in masked_leaves(masks)
  }


def collapsed(masks: PyTree) -> list[str]:
  """The names of masked leaves that keep nothing: layer collapse."""
  return [name for name, mask in masked_leaves(masks) if not np.any(mask)]


def keep_largest(
  scores: PyTree, masks: PyTree, keep: int, spared: Spared = nothing
) -> PyTree:
  """Keeps exactly `keep` of the weights that `masks` keeps, globally.

  Args:
    scores: a tree of arrays; the largest scores are kept, and of equal ones
      the first by position (leaf order of `masks`, then row-major).
    masks: the present masks; a weight pruned there stays pruned.
    keep: how many weights the new masks keep, spared ones included.
    spared: names of leaves that are counted but left as they are.

  Raises:
    ValueError: if `keep` is out of range, or a score is NaN.
  """
  check_prunable(masks)
  sizes = {name: np.count_nonzero(mask) for name, mask in masked_leaves(masks)}
  fixed = int(sum(size for name, size in sizes.items() if spared(name)))
  present = counts(masks)[0]
  if not fixed <= keep <= present:
    raise ValueError(
      f'cannot keep {keep} weights: {present} are left, of which {fixed} are '
      'never pruned'
    )
  groups = {name: 'all' for name in sizes if not spared(name)}
  return keep_largest_by_group(scores, masks, groups, {'all': keep - fixed})


def keep_largest_by_group(
  scores: PyTree,
  masks: PyTree,
  groups: Mapping[str, Hashable],
  keep: Mapping[Hashable, int],
) -> PyTree:
  """Keeps the largest scores of each group of leaves.

  Args:
    scores: as for `keep_largest`.
    masks: the present masks.
    groups: name of a leaf -> its group; other leaves stay as they are.
    keep: group -> how many weights it keeps, at most as many as now.

  Raises:
    ValueError: if a leaf of a group has no scores, or a score is NaN.
  """
  rows = list(zip_named(masks, scores))
  new = [mask for _, mask, _ in rows]
  members: dict[Hashable, list[int]] = {}
  for place, (name, mask, _) in enumerate(rows):
    if mask is not None and name in groups:
      members.setdefault(groups[name], []).append(place)
  for group, places in members.items():
    kept = [np.ravel(new[place]) for place in places]
    values = [_ranked(*rows[place]) for place in places]
    chosen = _largest(np.concatenate(values), np.concatenate(kept), keep[group])
    ends = np.cumsum([mask.size for mask in kept])[:-1]
    for place, part in zip(places, np.split(chosen, ends), strict=True):
      new[place] = part.reshape(new[place].shape)
  return with_leaves(masks, new)


def check_prunable(masks: PyTree) -> None:
  """Raises `ValueError`, naming leaves, if no leaf has a mask."""
  if not any(True for _ in masked_leaves(masks)):
    names = [name for name, _ in named_leaves(masks)][:4]
    raise ValueError(
      f'nothing can be pruned: no leaf has a mask, of {names or "no leaves"}; '
      'does the rule for prunable leaves match their names?'
    )


def _ranked(name: str, mask: Any, scores: Any) -> np.ndarray:
  """A leaf's scores as a vector of floats that can be ranked exactly."""
  if scores is None or np.shape(scores) != mask.shape:
    found = 'none' if scores is None else f'scores of shape {np.shape(scores)}'
    raise ValueError(f'{name}: a mask of shape {mask.shape}, but {found}')
  values = np.ravel(np.asarray(scores))
  # the negative of a bool or of an unsigned number is no order
  exact = np.float64 if values.dtype.kind in 'iub' else np.float32
  values = values.astype(np.promote_types(values.dtype, exact), copy=False)
  if np.isnan(values[np.ravel(mask)]).any():
    raise ValueError(
      f'{name}: scores are not numbers (NaN); did the training diverge?'
    )
  return values


def _largest(values: np.ndarray, kept: np.ndarray, keep: int) -> np.ndarray:
  """Where the `keep` largest values lie, among those that are kept now."""
  candidates = np.flatnonzero(kept)
  order = np.argsort(-values[candidates], kind='stable')
  chosen = np.zeros(kept.shape, bool)
  chosen[candidates[order[:keep]]] = True
  return chosen


def count_to_prune(left: int, fraction: float) -> int:
  """ceil(fraction * left), undisturbed by rounding of the product."""
  return math.ceil(round(fraction * left, 6))


def prune_magnitude(
  params: PyTree,
  masks: PyTree,
  fraction: float,
  spared: Spared = nothing,
  reference_count: bool = False,
) -> PyTree:
  """Prunes `fraction` of the weights left, the smallest, over all leaves.

  Removes exactly ceil(fraction * left) weights, ties broken by position; a
  spared leaf is counted in `left` too.

  Args:
    params: trained weights, zero or not where already pruned.
    masks: the masks they were trained with.
    fraction: share of the remaining weights to prune, between 0 and 1.
    spared: names of leaves that are counted but never pruned.
    reference_count: removes one weight more, if there is one, and with it
      every weight as small as the last one, as the published code does.

  Returns:
    The masks of the next level.

  Raises:
    ValueError: if `fraction` is out of range, a weight that is kept is NaN, or
      too few weights are left that may be pruned.

  References:
    Frankle and Carbin, The Lottery Ticket Hypothesis, 2019; the published
    count is that of open_lth's sparse_global strategy.
  """
  _check_fraction(fraction)
  left = counts(masks)[0]
  keep = left - count_to_prune(left, fraction)
  magnitudes = map_named(
    lambda _, mask, p: None if mask is None else np.abs(p), masks, params
  )
  if not reference_count:
    return keep_largest(magnitudes, masks, keep, spared)
  new = keep_largest(magnitudes, masks, max(keep - 1, 0), spared)
  return _without_ties(masks, new, magnitudes, spared)


def _without_ties(
  masks: PyTree, new: PyTree, magnitudes: PyTree, spared: Spared
) -> PyTree:
  """The masks without any weight as small as the largest one removed."""
  removed = [
    size[mask & ~kept]
    for _, mask, kept, size in zip_named(masks, new, magnitudes)
    if mask is not None
  ]
  threshold = max((r.max() for r in removed if r.size), default=-np.inf)
  return map_named(
    lambda name, mask, size: (
      mask if mask is None or spared(name) else mask & (size > threshold)
    ),
    masks,
    magnitudes,
  )


def prune_by_leaf(
  params: PyTree,
  masks: PyTree,
  fraction: float,
  spared: Spared = nothing,
  reference_count: bool = False,
) -> PyTree:
  """Prunes `fraction` of the weights left in each leaf by itself, rounded up.

  Args:
    params: trained weights, as for `prune_magnitude`.
    masks: the masks they were trained with; bool, of the weights' shapes.
    fraction: share of a leaf's remaining weights to prune, between 0 and 1.
    spared: names of leaves that are left as they are.
    reference_count: as for `prune_magnitude`, in each leaf.

  Returns:
    The masks of the next level. A leaf whose last weight is pruned is empty,
    and stays so.

  Raises:
    ValueError: if `fraction` is out of range, or a weight is NaN.

  References:
    Morcos et al., One ticket to win them all, 2019, figure 1.
  """
  _check_fraction(fraction)
  check_prunable(masks)

  def prune(name, mask, weights):
    if mask is None or spared(name):
      return mask
    one, other = {name: weights}, {name: mask}
    return prune_magnitude(
      one, other, fraction, reference_count=reference_count
    )[name]

  return map_named(prune, masks, params)


def _check_fraction(fraction: float) -> None:
  if not 0 < fraction < 1:
    raise ValueError(f'fraction to prune is {fraction}; give 0 < fraction < 1')


def permute_within_leaves(
  masks: PyTree, generator: np.random.Generator
) -> PyTree:
  """Shuffles each mask within its own leaf; densities by leaf are kept."""
  return map_named(
    lambda _, mask: (
      None
      if mask is None
      else generator.permutation(np.ravel(mask)).reshape(mask.shape)
    ),
    masks,
  )


def permute_globally(
  masks: PyTree, generator: np.random.Generator, spared: Spared = nothing
) -> PyTree:
  """Shuffles all masks together; only the overall density is kept.

  Args:
    masks: the masks to shuffle.
    generator: draws the permutation.
    spared: names of leaves that are left as they are.

  References:
    Morcos et al. 2019, figure A1.
  """
  check_prunable(masks)
  rows = list(named_leaves(masks))
  moved = [mask is not None and not spared(name) for name, mask in rows]
  parts = [
    np.ravel(m) for (_, m), move in zip(rows, moved, strict=True) if move
  ]
  if not parts:
    return masks
  shuffled = generator.permutation(np.concatenate(parts))
  ends = np.cumsum([part.size for part in parts])[:-1]
  new = iter(np.split(shuffled, ends))
  return with_leaves(
    masks,
    [
      next(new).reshape(mask.shape) if move else mask
      for (_, mask), move in zip(rows, moved, strict=True)
    ],
  )
