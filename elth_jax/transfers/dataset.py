"""The step to another data set, which leaves the ticket as it is."""

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar

from elth_jax import datasets
from elth_jax.families import Architecture
from elth_jax.tickets.ticket import Ticket
from elth_jax.transfers.step import Place, Step, register


@register
@dataclasses.dataclass(frozen=True)
class DataSet(Step):
  """Training on another data set; size and classes are steps of their own.

  Attributes:
    source: the name of the data set that the ticket was found in.
    target: the name of the one that it is trained on.

  References:
    Morcos et al. 2019, section 4.2.
  """

  kind: ClassVar[str] = 'dataset'
  order: ClassVar[int] = 10
  column: ClassVar[str] = 'source_dataset'
  word: ClassVar[str] = 'on'

  source: str
  target: str

  @classmethod
  def origin(cls, source: Place, target: Place) -> str | None:
    return None if source.dataset == target.dataset else source.dataset

  @classmethod
  def in_words(cls, origin: str) -> str:
    return f'on {datasets.pretty(origin)}'

  @classmethod
  def between(
    cls, source: Place, target: Place, rules: Sequence[Any]
  ) -> list[Step]:
    differs = source.dataset != target.dataset
    return [cls(source.dataset, target.dataset)] * differs

  def apply(self, ticket: Ticket, seed: int) -> Ticket:
    return ticket

  def explain(self, network: Architecture) -> str:
    source, target = map(datasets.pretty, (self.source, self.target))
    return f'data set {source} -> {target}: all weights stay'
