"""Steps that leave a ticket as it is: only how it is trained differs."""

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar

from elth_jax import datasets
from elth_jax.families import Architecture
from elth_jax.tickets.ticket import Ticket
from elth_jax.transfers.step import Place, Step, register


@dataclasses.dataclass(frozen=True)
class TrainedElsewhere(Step):
  """Another value of one field of `Place`, whose name is the step's kind.

  Attributes:
    source: the value where the ticket was found.
    target: the value where it is trained.
    title: the field, for people.
  """

  title: ClassVar[str]

  source: str
  target: str

  @classmethod
  def origin(cls, source: Place, target: Place) -> str | None:
    have, want = getattr(source, cls.kind), getattr(target, cls.kind)
    return None if have == want else have

  @classmethod
  def between(
    cls, source: Place, target: Place, rules: Sequence[Any]
  ) -> list[Step]:
    have, want = getattr(source, cls.kind), getattr(target, cls.kind)
    return [] if have == want else [cls(have, want)]

  @classmethod
  def pretty(cls, value: str) -> str:
    """The value, for people."""
    return value

  @classmethod
  def in_words(cls, origin: str) -> str:
    return f'{cls.word} {cls.pretty(origin)}'

  def apply(self, ticket: Ticket, seed: int) -> Ticket:
    return ticket

  def explain(self, network: Architecture) -> str:
    source, target = self.pretty(self.source), self.pretty(self.target)
    return f'{self.title} {source} -> {target}: all weights stay'


@register
@dataclasses.dataclass(frozen=True)
class DataSet(TrainedElsewhere):
  """Another data set; size and classes are steps of their own.

  References:
    Morcos et al. 2019, section 4.2.
  """

  kind: ClassVar[str] = 'dataset'
  order: ClassVar[int] = 10
  column: ClassVar[str] = 'source_dataset'
  word: ClassVar[str] = 'on'
  title: ClassVar[str] = 'data set'

  @classmethod
  def pretty(cls, value: str) -> str:
    return datasets.pretty(value)


@register
@dataclasses.dataclass(frozen=True)
class Optimizer(TrainedElsewhere):
  """Another optimiser, `sgd` or `adam`.

  References:
    Morcos et al. 2019, section 4.3.
  """

  kind: ClassVar[str] = 'optimizer'
  order: ClassVar[int] = 20
  column: ClassVar[str] = 'source_optimizer'
  word: ClassVar[str] = 'by'
  title: ClassVar[str] = 'optimiser'
