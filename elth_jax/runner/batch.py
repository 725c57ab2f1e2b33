"""Batches of nodes, as they are given to whoever does them, and what came."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal


@dataclasses.dataclass(frozen=True)
class Batch:
  """Nodes that are done together, in one process.

  Attributes:
    nodes: their names.
    placement: on which devices, see `trainers.numbered`; empty for nodes that
      need no trainer.
    per_ticket: how many devices share a run.
  """

  nodes: tuple[str, ...]
  placement: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  per_ticket: int = 1


@dataclasses.dataclass(frozen=True)
class Outcome:
  """What became of one node of a batch.

  Attributes:
    node: its name.
    state: `done`; `failed`, for good; `found` if another process has finished
      it; `busy` if another one works on it.
    text: its accuracy, or why it failed.
    worker: who did it, in words; empty for this process.
  """

  node: str
  state: Literal['done', 'failed', 'found', 'busy']
  text: str = ''
  worker: str = ''
