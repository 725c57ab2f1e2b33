"""Does the analyses of a study: each node's result as JSON values."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from elth_jax.analysis import (
  barrier,
  interpolate,
  overlap,
  unit_overlap,
)
from elth_jax.masks import layer_densities
from elth_jax.study.nodes import Connect, MaskOverlap, Node, Run
from elth_jax.tickets.ticket import Ticket
from elth_jax.training.trainer import Trainer
from elth_jax.trees import PyTree
from elth_jax.workdir.store import Store


def connect(
  node: Connect, nodes: Mapping[str, Node], store: Store, trainer: Trainer
) -> dict[str, Any]:
  """Test accuracy from one training of a ticket to the other.

  Returns:
    `accuracy` at evenly spaced points, 0 to 1; `barrier`; `statistics`, how
    BN statistics in between were got.
  """
  one, other = (
    _trained(store, nodes[node.parents[role]]) for role in ('one', 'other')
  )
  between = [
    {
      name: interpolate(getattr(one, name), getattr(other, name), share)
      for name in ('params', 'batch_stats')
    }
    for share in np.linspace(0, 1, node.points)
  ]
  # a dynamic method's two trainings end with masks of their own
  either = dataclasses.replace(one, masks=_union(one.masks, other.masks))
  recompute = node.statistics == 'recomputed'
  accuracy = trainer.accuracies(either, between, recompute)
  return {
    'accuracy': accuracy,
    'barrier': barrier(accuracy),
    'statistics': node.statistics,
  }


def _trained(store: Store, node: Node) -> Ticket:
  assert isinstance(node, Run)
  return store.trained(node)


def _union(one: PyTree, other: PyTree) -> PyTree:
  """Masks that keep what either keeps."""
  return jax.tree.map(np.logical_or, one, other)


def compare_masks(
  node: MaskOverlap, nodes: Mapping[str, Node], store: Store
) -> dict[str, Any]:
  """The overlap of a ticket with IMP's, and of the units within IMP's.

  Returns:
    `iou`, `chance` and `corrected` (see `analysis.Overlap`); of IMP's ticket
    `units`, the corrected overlaps of the units of each stage, and
    `densities` of its leaves.
  """
  imp, other = (
    store.ticket(nodes[node.parents[role]]).masks for role in ('imp', 'other')
  )
  found = overlap(imp, other)
  units = unit_overlap(imp, node.architecture.family.layout)
  return {
    'iou': found.iou,
    'chance': found.chance,
    'corrected': found.corrected,
    'units': {
      stage: [[None if v != v else float(v) for v in row] for row in matrix]
      for stage, matrix in units.items()
    },
    'densities': layer_densities(imp),
  }
