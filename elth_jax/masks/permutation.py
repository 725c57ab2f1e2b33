"""Random masks: those there are, shuffled."""

import numpy as np

from elth_jax.masks.counting import NeverPruned, check_prunable, nothing
from elth_jax.trees import PyTree, map_named, named_leaves, with_leaves


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
  never_pruned: NeverPruned = nothing,
) -> PyTree:
  """Shuffles all masks together; only the overall density is kept.

  Args:
    masks: the masks to shuffle.
    generator: draws the permutation.
    never_pruned: names of leaves that are left as they are.

  References:
    Morcos et al. 2019, figure A1.
  """
  check_prunable(masks)
  rows = list(named_leaves(masks))
  moved = [mask is not None and not never_pruned(name) for name, mask in rows]
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
