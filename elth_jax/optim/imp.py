"""A level of iterative magnitude pruning with rewinding, as pure functions."""

import numpy as np

from elth_jax.masks import NeverPruned, apply_masks, nothing, prune_magnitude
from elth_jax.trees import PyTree, named_leaves


def prune(
  trained: PyTree,
  masks: PyTree,
  fraction: float = 0.2,
  never_pruned: NeverPruned = nothing,
) -> PyTree:
  """The masks of the next level: the smallest weights of all layers go.

  Args:
    trained: parameters after training, any tree of arrays.
    masks: bool arrays of the level before; `None` where a parameter is dense
      (see `elth_jax.masks.dense_masks`).
    fraction: the share of the remaining weights to prune, rounded up.
    never_pruned: name of a leaf -> whether it stays as it is.

  Returns:
    Masks of exactly as many weights; of equal ones the first in order stay.

  Raises:
    ValueError: if weights and masks are the wrong way round, or do not fit.

  References:
    Frankle et al., Linear Mode Connectivity and the Lottery Ticket
    Hypothesis, 2020, algorithm 2.
  """
  _check_order('prune(trained, masks)', trained)
  return prune_magnitude(trained, masks, fraction, never_pruned)


def rewind(early: PyTree, masks: PyTree) -> PyTree:
  """The weights of an early step under masks found later.

  Args:
    early: parameters as they were at the rewind step.
    masks: from `prune`.

  Raises:
    ValueError: if weights and masks are the wrong way round, or do not fit.
  """
  _check_order('rewind(early, masks)', early)
  return apply_masks(early, masks)


def _check_order(call: str, weights: PyTree) -> None:
  """Checks that weights were not given as masks: that they are not bool."""
  for name, leaf in named_leaves(weights):
    if getattr(leaf, 'dtype', None) == np.dtype(bool):
      raise ValueError(
        f'{call}: {name} of the first argument is a mask of bool; give weights '
        'first and masks second'
      )
