"""A level of iterative magnitude pruning with rewinding, as pure functions."""

from collections.abc import Callable

from elth_jax.masks import apply_masks, prune_magnitude
from elth_jax.trees import PyTree


def prune(
  trained: PyTree,
  masks: PyTree,
  fraction: float = 0.2,
  never_pruned: Callable[[str], bool] = lambda name: False,
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

  References:
    Frankle et al., Linear Mode Connectivity and the Lottery Ticket
    Hypothesis, 2020, algorithm 2.
  """
  return prune_magnitude(trained, masks, fraction, never_pruned)


def rewind(early: PyTree, masks: PyTree) -> PyTree:
  """The weights of an early step under masks found later.

  Args:
    early: parameters as they were at the rewind step.
    masks: from `prune`.
  """
  return apply_masks(early, masks)
