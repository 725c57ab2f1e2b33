"""What a method is, and the table of them.

A method is one function that makes the ticket which a study trains: from a
target's dense rewind weights, from the ticket that IMP found there, or from
the source's. All are trained alike, but for those that change masks while
they train.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import jax
import numpy as np

from elth_jax.datasets import Dataset, Stream
from elth_jax.dynamic.options import Sparse
from elth_jax.pruners.options import Pruning
from elth_jax.randomness import generator
from elth_jax.tickets.ticket import Ticket
from elth_jax.transfers import Transfer

# `rewind`: the target's dense rewind weights; `imp`: the target's own ticket
# of this level; `source`: the ticket of this level found on another network;
# `source_rewind`: that network's dense rewind weights.
Role = Literal['rewind', 'imp', 'source', 'source_rewind']
Tickets = Mapping[Role, Ticket]


@dataclasses.dataclass(frozen=True)
class Setting:
  """What a method is told beside its tickets.

  Attributes:
    level: of IMP, whose sparsity is matched.
    seed: of the replicate.
    dataset: what the target will be trained on.
    batch_size: of its training.
    pruning: options of scores.
    sparse: options of changing masks.
    transfer: the steps by which a source's ticket gets to the target.
  """

  level: int
  seed: int
  dataset: Dataset | Stream
  batch_size: int
  pruning: Pruning = Pruning()
  sparse: Sparse = Sparse()
  transfer: Transfer = Transfer()

  def seed_for(self, purpose: str) -> int:
    """A seed that differs by purpose, level and replicate."""
    draw = generator(self.seed, purpose, self.level)
    return int(draw.integers(2**31))

  def transferred(self, ticket: Ticket) -> Ticket:
    """A source's ticket, taken to the target."""
    return self.transfer.apply(ticket, self.seed)

  def batches(self) -> Iterator[tuple[jax.Array, np.ndarray]]:
    """Normalised training images and labels, in an order of their own."""
    examples = self.dataset.examples
    order = generator(self.seed, 'score batches').permutation(examples)
    count = self.pruning.batches or -(-examples // self.batch_size)
    for number in range(count):
      start = number * self.batch_size
      rows = order[start : start + self.batch_size]
      if len(rows):
        images, labels = self.dataset.take(rows)
        yield self.dataset.normalize(images), labels


Make = Callable[[Tickets, Setting], Ticket]


@dataclasses.dataclass(frozen=True)
class Method:
  """One way to make a ticket for a target.

  Attributes:
    needs: the tickets that `make` is given, by role.
    make: (tickets by role, setting) -> ticket.
    counted: roles of which only the count of weights is used, so that what
      it cost to find them is no cost of this method.
    uses: what else determines its tickets: `data` (training images),
      `pruning` or `sparse` (options).
    title: how people write its name.
    beaten: whether E-LTH claims that elastic tickets do better.
    dynamic: the method that changes masks in training, if any.
    times: how many times longer it is trained.
    pruned_by: for iterative pruning, what a level ranks weights over: `global`
      or each `leaf`; empty for methods that make a ticket at once.
    version: raised when a mended method makes other tickets; enters the keys
      of its nodes when it is not 1.
  """

  needs: tuple[Role, ...]
  make: Make
  counted: tuple[Role, ...] = ()
  uses: tuple[Literal['data', 'pruning', 'sparse'], ...] = ()
  title: str = ''
  beaten: bool = False
  dynamic: str = ''
  times: int = 1
  pruned_by: Literal['', 'global', 'leaf'] = ''
  version: int = 1

  @property
  def from_source(self) -> bool:
    """Whether its ticket comes from another network's."""
    return 'source' in self.needs

  def dynamic_settings(self, sparse: Sparse) -> dict[str, Any] | None:
    """What `dynamic.make_dynamic` is given; `None` for static masks."""
    if not self.dynamic:
      return None
    if self.dynamic == 'dpf':
      return {'method': 'dpf', 'interval': sparse.dpf_interval}
    return {
      'method': self.dynamic,
      'interval': sparse.interval,
      'drop_fraction': sparse.drop_fraction,
      'stop_fraction': sparse.stop_fraction,
    }


METHODS: dict[str, Method] = {}


def register(name: str, *needs: Role, **options: Any) -> Callable[[Make], Make]:
  """Enters a function into `METHODS` under `name`."""

  def enter(make: Make) -> Make:
    METHODS[name] = Method(needs, make, **options)
    return make

  return enter
