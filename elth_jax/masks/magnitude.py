"""Pruning the smallest weights, as each level of IMP does."""

import math
from typing import Any

import numpy as np

from elth_jax.masks.counting import NeverPruned, check_prunable, counts, nothing
from elth_jax.masks.selection import keep_largest
from elth_jax.trees import PyTree, map_named, zip_named


def count_to_prune(left: int, fraction: float) -> int:
  """ceil(fraction * left), undisturbed by rounding of the product."""
  return math.ceil(round(fraction * left, 6))


def magnitude(weights: Any) -> np.ndarray:
  """Absolute values; those of integers as floats, since int8 has no 128."""
  array = np.asarray(weights)
  return np.abs(array.astype(np.float64) if array.dtype.kind == 'i' else array)


def prune_magnitude(
  params: PyTree,
  masks: PyTree,
  fraction: float,
  never_pruned: NeverPruned = nothing,
  reference_count: bool = False,
) -> PyTree:
  """Prunes `fraction` of the weights left, the smallest, over all leaves.

  Removes exactly ceil(fraction * left) weights, ties broken by position; a
  leaf that is never pruned is counted in `left` too.

  Args:
    params: trained weights, zero or not where already pruned.
    masks: the masks they were trained with.
    fraction: share of the remaining weights to prune, between 0 and 1.
    never_pruned: names of leaves that are counted but never pruned.
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
    lambda _, mask, p: None if mask is None else magnitude(p), masks, params
  )
  if not reference_count:
    return keep_largest(magnitudes, masks, keep, never_pruned)
  new = keep_largest(magnitudes, masks, max(keep - 1, 0), never_pruned)
  return _without_ties(masks, new, magnitudes, never_pruned)


def _without_ties(
  masks: PyTree, new: PyTree, magnitudes: PyTree, never_pruned: NeverPruned
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
      mask if mask is None or never_pruned(name) else mask & (size > threshold)
    ),
    masks,
    magnitudes,
  )


def prune_by_leaf(
  params: PyTree,
  masks: PyTree,
  fraction: float,
  never_pruned: NeverPruned = nothing,
  reference_count: bool = False,
) -> PyTree:
  """Prunes `fraction` of the weights left in each leaf by itself, rounded up.

  Args:
    params: trained weights, as for `prune_magnitude`.
    masks: the masks they were trained with; bool, of the weights' shapes.
    fraction: share of a leaf's remaining weights to prune, between 0 and 1.
    never_pruned: names of leaves that are left as they are.
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
    if mask is None or never_pruned(name):
      return mask
    one, other = {name: weights}, {name: mask}
    return prune_magnitude(
      one, other, fraction, reference_count=reference_count
    )[name]

  return map_named(prune, masks, params)


def _check_fraction(fraction: float) -> None:
  if not 0 < fraction < 1:
    raise ValueError(f'fraction to prune is {fraction}; give 0 < fraction < 1')
