"""The step to another optimiser, which leaves the ticket as it is."""

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar

from elth_jax.families import Architecture
from elth_jax.tickets.ticket import Ticket
from elth_jax.transfers.step import Place, Step, register


@register
@dataclasses.dataclass(frozen=True)
class Optimizer(Step):
  """Training by another optimiser than the one that found the ticket.

  Attributes:
    source: `sgd` or `adam`, by which the ticket was found.
    target: by which it is trained.

  References:
    Morcos et al. 2019, section 4.4.
  """

  kind: ClassVar[str] = 'optimizer'
  order: ClassVar[int] = 20
  column: ClassVar[str] = 'source_optimizer'
  word: ClassVar[str] = 'by'

  source: str
  target: str

  @classmethod
  def origin(cls, source: Place, target: Place) -> str | None:
    return None if source.optimizer == target.optimizer else source.optimizer

  @classmethod
  def between(
    cls, source: Place, target: Place, rules: Sequence[Any]
  ) -> list[Step]:
    differs = source.optimizer != target.optimizer
    return [cls(source.optimizer, target.optimizer)] * differs

  def apply(self, ticket: Ticket, seed: int) -> Ticket:
    return ticket

  def explain(self, network: Architecture) -> str:
    return f'optimiser {self.source} -> {self.target}: all weights stay'
