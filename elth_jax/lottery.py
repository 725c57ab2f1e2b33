"""Iterative magnitude pruning with rewinding, a level at a time."""

from elth_jax.families import Architecture
from elth_jax.masks import apply_masks, dense_masks, prune_magnitude
from elth_jax.ticket import Ticket
from elth_jax.trees import PyTree


def dense_ticket(
  architecture: Architecture, params: PyTree, batch_stats: PyTree
) -> Ticket:
  """Level 0: all weights, at initialisation or at the rewind point."""
  return Ticket(
    architecture=architecture.to_json(),
    params=params,
    batch_stats=batch_stats,
    masks=dense_masks(params, architecture.family.prunable),
  )


def with_masks(dense: Ticket, masks: PyTree) -> Ticket:
  """The dense ticket's weights and statistics under other masks."""
  return Ticket(
    architecture=dense.architecture,
    params=apply_masks(dense.params, masks),
    batch_stats=dense.batch_stats,
    masks=masks,
  )


def next_level(
  rewind: Ticket,
  previous: Ticket,
  trained: PyTree,
  fraction: float = 0.2,
  reference_count: bool = False,
) -> Ticket:
  """One level of IMP: prune what was trained, rewind what is left.

  Args:
    rewind: the dense network at the rewind step r.
    previous: the ticket of the level before.
    trained: its parameters after training.
    fraction: the share of the remaining weights to prune.
    reference_count: prune as many as the published code does.

  References:
    Frankle et al., Linear Mode Connectivity and the Lottery Ticket
    Hypothesis, 2020, algorithm 2.
  """
  family = Architecture.from_json(rewind.architecture).family
  masks = prune_magnitude(
    trained, previous.masks, fraction, family.is_spared, reference_count
  )
  return with_masks(rewind, masks)
