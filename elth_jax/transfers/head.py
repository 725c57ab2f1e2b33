"""The step to another number of classes, by a fresh head."""

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar

from elth_jax.families import Architecture
from elth_jax.tickets.ticket import Ticket
from elth_jax.tickets.transform import with_classes
from elth_jax.transfers.step import Place, Step, register


@register
@dataclasses.dataclass(frozen=True)
class Head(Step):
  """A fresh, dense head, where the number of classes differs.

  Attributes:
    classes: the number wanted.

  References:
    Morcos et al. 2019.
  """

  kind: ClassVar[str] = 'head'
  order: ClassVar[int] = 40
  adds_dense_leaves: ClassVar[bool] = True

  classes: int

  @classmethod
  def between(
    cls, source: Place, target: Place, rules: Sequence[Any]
  ) -> list[Step]:
    have, want = source.network.classes, target.network.classes
    return [] if have == want else [cls(want)]

  def predict(self, network: Architecture) -> Architecture:
    return dataclasses.replace(network, classes=self.classes)

  def apply(self, ticket: Ticket, seed: int) -> Ticket:
    return with_classes(ticket, self.classes, seed)

  def explain(self, network: Architecture) -> str:
    return (
      f'classes {network.classes} -> {self.classes}: the head is drawn anew, '
      'dense and not counted'
    )
