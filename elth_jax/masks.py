"""Masks over parameters: building, selecting, permuting and counting.

A mask tree has the structure of the parameters; a leaf is a bool array, true
where the weight is kept, or `None` where the parameter is dense and does not
count (biases, BN). Sparsity is the share of zeros among masked weights.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from elth_jax.trees import PyTree, flatten, map_named, named_leaves, unflatten


def dense_masks(params: PyTree, prunable: Callable[[str], bool]) -> PyTree:
  """All-true masks for the leaves whose name is `prunable`, else `None`."""
  return map_named(
    lambda name, leaf: np.ones(leaf.shape, bool) if prunable(name) else None,
    params,
  )


def apply_masks(tree: PyTree, masks: PyTree) -> PyTree:
  """The tree with exact zeros where a mask is false (numpy or jax leaves).

  Raises:
    ValueError: naming the leaf, if the structures or a shape differ.
  """

  def masked(name, leaf, mask):
    if mask is None:
      return leaf
    if leaf.shape != mask.shape:
      raise ValueError(
        f'{name}: mask of shape {mask.shape} for a weight of {leaf.shape}'
      )
    return leaf * mask.astype(leaf.dtype)

  return map_named(masked, tree, masks)


def counts(masks: PyTree) -> tuple[int, int]:
  """(weights kept, weights in all) over the masked leaves."""
  leaves = [mask for _, mask in named_leaves(masks) if mask is not None]
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
    for name, mask in named_leaves(masks)
    if mask is not None
  }


def collapsed(masks: PyTree) -> list[str]:
  """The names of masked leaves that keep nothing: layer collapse."""
  return [
    name
    for name, mask in named_leaves(masks)
    if mask is not None and not np.any(mask)
  ]


def keep_largest(
  scores: PyTree,
  masks: PyTree,
  keep: int,
  spared: Callable[[str], bool] = lambda name: False,
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
  flat_masks, flat_scores = flatten(masks), flatten(scores)
  names = [
    name
    for name, mask in flat_masks.items()
    if mask is not None and not spared(name)
  ]
  kept = np.concatenate([np.ravel(flat_masks[name]) for name in names])
  values = np.concatenate([np.ravel(flat_scores[name]) for name in names])
  if np.isnan(values[kept]).any():
    raise ValueError('scores are not numbers (NaN); did the training diverge?')
  present = counts(masks)[0]
  fixed = present - int(kept.sum())
  if not fixed <= keep <= present:
    raise ValueError(
      f'cannot keep {keep} weights: {present} are left, of which {fixed} are '
      'never pruned'
    )
  candidates = np.flatnonzero(kept)
  order = np.argsort(-values[candidates], kind='stable')
  chosen = np.zeros(kept.shape, bool)
  chosen[candidates[order[: keep - fixed]]] = True
  return unflatten(_split(flat_masks, names, chosen))


def count_to_prune(left: int, fraction: float) -> int:
  """ceil(fraction * left), undisturbed by rounding of the product."""
  return math.ceil(round(fraction * left, 6))


def prune_magnitude(
  params: PyTree,
  masks: PyTree,
  fraction: float,
  spared: Callable[[str], bool] = lambda name: False,
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
    reference_count: removes one weight more, and with it every weight as
      small as the last one, as the published code does.

  Returns:
    The masks of the next level.

  References:
    Frankle and Carbin, The Lottery Ticket Hypothesis, 2019; the published
    count is that of open_lth's sparse_global strategy.
  """
  if not 0 < fraction < 1:
    raise ValueError(f'fraction to prune is {fraction}; give 0 < fraction < 1')
  left = counts(masks)[0]
  remove = count_to_prune(left, fraction)
  magnitudes = map_named(
    lambda _, p, mask: None if mask is None else np.abs(p), params, masks
  )
  new = keep_largest(
    magnitudes, masks, left - remove - bool(reference_count), spared
  )
  if not reference_count:
    return new
  removed = [
    flat[mask & ~flatten(new)[name]]
    for name, mask in named_leaves(masks)
    if mask is not None and (flat := flatten(magnitudes)[name]) is not None
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
  spared: Callable[[str], bool] = lambda name: False,
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
    The masks of the next level. A leaf whose last weight is pruned is empty.

  Raises:
    ValueError: if `fraction` is out of range, or a weight is NaN.

  References:
    Morcos et al., One ticket to win them all, 2019, figure 1.
  """

  def prune(name, mask, weights):
    if mask is None or spared(name):
      return mask
    one, other = {'w': weights}, {'w': mask}
    return prune_magnitude(
      one, other, fraction, reference_count=reference_count
    )['w']

  return map_named(prune, masks, params)


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
  masks: PyTree,
  generator: np.random.Generator,
  spared: Callable[[str], bool] = lambda name: False,
) -> PyTree:
  """Shuffles all masks together; only the overall density is kept.

  References:
    Morcos et al. 2019, figure A1.
  """
  flat = flatten(masks)
  names = [n for n, m in flat.items() if m is not None and not spared(n)]
  every = np.concatenate([np.ravel(flat[name]) for name in names])
  return unflatten(_split(flat, names, generator.permutation(every)))


def _split(
  masks: Mapping[str, Any], names: list[str], chosen: np.ndarray
) -> dict[str, Any]:
  """Cuts one flat vector back into the named leaves; the others stay."""
  ends = np.cumsum([masks[name].size for name in names])[:-1]
  parts = dict(zip(names, np.split(chosen, ends), strict=True))
  return {
    name: parts[name].reshape(mask.shape) if name in parts else mask
    for name, mask in masks.items()
  }
