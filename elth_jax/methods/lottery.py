"""Iterative magnitude pruning with rewinding, a level at a time."""

from collections.abc import Mapping

from elth_jax.families import Architecture
from elth_jax.limits import check_argument
from elth_jax.masks import (
  apply_masks,
  count_to_prune,
  dense_masks,
  prune_by_leaf,
  prune_magnitude,
)
from elth_jax.names import unknown
from elth_jax.tickets.ticket import Ticket
from elth_jax.trees import PyTree

SCOPES = {'global': prune_magnitude, 'leaf': prune_by_leaf}


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


def kept_by_level(
  architecture: Architecture, levels: int, fraction: float
) -> list[int]:
  """How many prunable weights IMP will keep at levels 0 to `levels`.

  Raises:
    ValueError: if at some level no weight that may be pruned would be left.
  """
  free, always_kept = architecture.prunable_sizes()
  never_pruned_count = sum(always_kept.values())
  kept = [sum(free.values()) + never_pruned_count]
  for level in range(1, levels + 1):
    left = kept[-1] - count_to_prune(kept[-1], fraction)
    if left <= never_pruned_count:
      raise ValueError(
        f'{architecture.name} of width {architecture.width}: level {level} '
        f'would keep {left} of {kept[0]} weights, {never_pruned_count} of '
        'which are never pruned; ask for fewer levels, a smaller '
        'prune_fraction or more width'
      )
    kept.append(left)
  return kept


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
  scope: str = 'global',
) -> Ticket:
  """One level of IMP: prune what was trained, rewind what is left.

  Args:
    rewind: the dense network at the rewind step r.
    previous: the ticket of the level before.
    trained: its parameters after training.
    fraction: the share of the remaining weights to prune.
    reference_count: prune as many as the published code does.
    scope: `global` ranks weights over all layers; `leaf` prunes the same share
      of each, rounded up (Morcos et al. 2019, figure 1).

  Raises:
    TypeError: if an argument is of another type.
    ValueError: if there is no such scope, or as `prune_magnitude` does.

  References:
    Frankle et al., Linear Mode Connectivity and the Lottery Ticket
    Hypothesis, 2020, algorithm 2.
  """
  for name, ticket in (('rewind', rewind), ('previous', previous)):
    check_argument(name, ticket, Ticket, 'a Ticket, e.g. of dense_ticket')
  check_argument('trained', trained, Mapping, 'parameters: trained.params')
  if scope not in SCOPES:
    raise ValueError(unknown('scope', scope, SCOPES))
  family = Architecture.from_json(rewind.architecture).family
  masks = SCOPES[scope](
    trained, previous.masks, fraction, family.is_never_pruned, reference_count
  )
  return with_masks(rewind, masks)
