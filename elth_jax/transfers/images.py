"""The step to images of another size, where that changes no weight."""

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar

import jax

from elth_jax.families import Architecture
from elth_jax.tickets.ticket import Ticket
from elth_jax.tickets.transform import with_images
from elth_jax.transfers.step import Place, Step, register


@register
@dataclasses.dataclass(frozen=True)
class ImageShape(Step):
  """Images of another size.

  Attributes:
    shape: (height, width, channels) wanted.
  """

  kind: ClassVar[str] = 'images'
  order: ClassVar[int] = 45

  shape: tuple[int, int, int]

  @classmethod
  def between(
    cls, source: Place, target: Place, rules: Sequence[Any]
  ) -> list[Step]:
    have, want = source.network.input_shape, target.network.input_shape
    return [] if have == want else [cls(want)]

  def predict(self, network: Architecture) -> Architecture:
    return dataclasses.replace(network, input_shape=self.shape)

  def check(self, network: Architecture) -> None:
    if _weights(network) != _weights(self.predict(network)):
      raise ValueError(
        f'{network.name} has other weights for images of {network.input_shape} '
        f'than of {self.shape}; give both one image_size'
      )

  def apply(self, ticket: Ticket, seed: int) -> Ticket:
    return with_images(ticket, self.shape)

  def explain(self, network: Architecture) -> str:
    return (
      f'images {_sides(network.input_shape)} -> {_sides(self.shape)}: all '
      'weights stay'
    )


def _weights(network: Architecture) -> list[tuple[int, ...]]:
  return [leaf.shape for leaf in jax.tree.leaves(network.shapes())]


def _sides(shape: tuple[int, int, int]) -> str:
  return 'x'.join(map(str, shape))
