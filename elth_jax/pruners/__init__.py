"""Pruning at initialisation or at the rewind point: scores, then masks.

A pruner takes a Flax model's `apply` function and its variables (or just its
weights) and gives a score to every weight; `select` keeps exactly as many of
the largest as are wanted. Nothing here knows of training or of tickets.
"""

from elth_jax.pruners.gradients import grasp_scores, snip_scores
from elth_jax.pruners.select import select
from elth_jax.pruners.synflow import synflow_masks, synflow_scores
from elth_jax.pruners.weights import magnitude_scores, random_scores

__all__ = [
  'grasp_scores',
  'magnitude_scores',
  'random_scores',
  'select',
  'snip_scores',
  'synflow_masks',
  'synflow_scores',
]
