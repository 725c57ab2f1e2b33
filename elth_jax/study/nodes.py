"""Nodes: what a study does once, as plain data."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

from elth_jax.families import Architecture

Kind = Literal['rewind', 'prune', 'make', 'train', 'twin', 'connect', 'overlap']


@dataclasses.dataclass(frozen=True)
class Node:
  """One thing to do once.

  Attributes:
    name: unique in the study, readable, and safe as a file name.
    kind: `rewind` trains a dense network from step 0 to r and `train` a ticket
      from r to the end, `twin` again in another data order; `prune` makes the
      next level's ticket from a trained one, `make` a method's ticket from
      others; `connect` and `overlap` analyse what was found.
    architecture: the network that is trained or for which the ticket is.
    spec: whatever else determines it, as plain JSON values.
    parents: role -> name of the node that must be done before.
    key: hash of all that determines it, parents included.
    earlier: its keys before this library's methods were mended; see `keys`.
  """

  name: str
  kind: Kind
  architecture: Architecture
  spec: Mapping[str, Any]
  parents: Mapping[str, str]
  key: str
  earlier: tuple[str, ...] = ()

  @property
  def trains(self) -> bool:
    """Whether the node is a training run, and so takes time."""
    return self.kind in ('rewind', 'train', 'twin')

  @property
  def makes_ticket(self) -> bool:
    """Whether the node's product is a ticket, not a run's folder."""
    return self.kind in ('rewind', 'prune', 'make')
