"""The step to twice or half the width, by a rule for channels."""

import dataclasses
from collections.abc import Sequence
from typing import ClassVar

from elth_jax.elastic.width import NARROW, WIDEN, WIDTH_RULES
from elth_jax.families import Architecture
from elth_jax.tickets.ticket import Ticket
from elth_jax.tickets.widths import check_width, with_width
from elth_jax.transfers.step import Place, Step, register


@register
@dataclasses.dataclass(frozen=True)
class Width(Step):
  """Twice or half the width.

  Attributes:
    rule: of `elastic.width`, e.g. `widen uneven` or `narrow`.
    width: the width wanted.
  """

  kind: ClassVar[str] = 'width'
  order: ClassVar[int] = 30
  column: ClassVar[str] = 'source_width'
  word: ClassVar[str] = 'of-width'

  rule: str
  width: int

  @classmethod
  def read(cls, text: str) -> str | None:
    return text if text in WIDTH_RULES else None

  @classmethod
  def origin(cls, source: Place, target: Place) -> int | None:
    have, want = source.network.width, target.network.width
    return None if have == want else have

  @classmethod
  def between(
    cls, source: Place, target: Place, rules: Sequence[str]
  ) -> list[Step]:
    have, want = source.network.width, target.network.width
    if have == want:
      return []
    if have == 2 * want:
      return [cls(NARROW, want)]
    if 2 * have != want:
      raise ValueError(
        f'{source.network.name}: sources of width {have} and targets of width '
        f'{want}; tickets can be doubled or halved'
      )
    asked = [rule for rule in rules if rule in WIDEN] or list(WIDEN)[:1]
    return [cls(rule, want) for rule in asked]

  @property
  def label(self) -> str:
    return self.rule

  def predict(self, network: Architecture) -> Architecture:
    return dataclasses.replace(network, width=self.width)

  def check(self, network: Architecture) -> None:
    check_width(network, self.rule)

  def apply(self, ticket: Ticket, seed: int) -> Ticket:
    return with_width(ticket, self.rule, seed)

  def explain(self, network: Architecture) -> str:
    return f'width {network.width} -> {self.width}: {self.rule}'
