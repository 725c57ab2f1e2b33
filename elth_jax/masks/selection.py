"""Keeping the weights of the largest scores, exactly as many as wanted."""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np

from elth_jax.limits import number_of_weights
from elth_jax.masks.counting import (
  NeverPruned,
  check_prunable,
  counts,
  masked_leaves,
  nothing,
)
from elth_jax.trees import PyTree, with_leaves, zip_named


def keep_largest(
  scores: PyTree, masks: PyTree, keep: int, never_pruned: NeverPruned = nothing
) -> PyTree:
  """Keeps exactly `keep` of the weights that `masks` keeps, globally.

  Args:
    scores: a tree of arrays; the largest scores are kept, and of equal ones
      the first by position (leaf order of `masks`, then row-major).
    masks: the present masks; a weight pruned there stays pruned.
    keep: how many weights the new masks keep, never pruned ones included.
    never_pruned: names of leaves that are counted but left as they are.

  Raises:
    ValueError: if `keep` is out of range or no whole number, or a score is NaN.
  """
  keep = number_of_weights(keep)
  check_prunable(masks)
  sizes = [(name, np.count_nonzero(m)) for name, m in masked_leaves(masks)]
  fixed = int(sum(size for name, size in sizes if never_pruned(name)))
  present = counts(masks)[0]
  if not fixed <= keep <= present:
    raise ValueError(
      f'cannot keep {keep} weights: {present} are left, of which {fixed} are '
      'never pruned'
    )
  groups = {name: 'all' for name, _ in sizes if not never_pruned(name)}
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
    ValueError: if a leaf of a group has no scores, a score is NaN, or a group
      has not so many weights to keep.
  """
  rows = list(zip_named(masks, scores))
  new = [mask for _, mask, _ in rows]
  members: dict[Hashable, list[int]] = {}
  for place, (name, mask, _) in enumerate(rows):
    if mask is not None and name in groups:
      members.setdefault(groups[name], []).append(place)
  for group, places in members.items():
    kept = [np.ravel(new[place]) for place in places]
    present = sum(int(np.count_nonzero(mask)) for mask in kept)
    if not 0 <= keep[group] <= present:
      raise ValueError(
        f'{group}: cannot keep {keep[group]} of {present} weights'
      )
    values = [_ranked(*rows[place]) for place in places]
    chosen = _largest(np.concatenate(values), np.concatenate(kept), keep[group])
    ends = np.cumsum([mask.size for mask in kept])[:-1]
    for place, part in zip(places, np.split(chosen, ends), strict=True):
      new[place] = part.reshape(new[place].shape)
  return with_leaves(masks, new)


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
