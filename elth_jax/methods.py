"""How each method makes the ticket that a study trains.

A method is one entry of `METHODS`: the tickets it needs and a pure function.
A study makes a method's ticket from a target's dense rewind weights, from the
ticket that IMP found there, or from the source's ticket, and trains all alike.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Literal

from elth_jax import lottery
from elth_jax.families import Architecture
from elth_jax.masks import (
  apply_masks,
  counts,
  keep_largest,
  permute_within_leaves,
)
from elth_jax.randomness import generator
from elth_jax.ticket import Ticket
from elth_jax.trees import map_named

# `rewind`: the target's dense rewind weights; `imp`: the target's own ticket
# of this level; `source`: the ticket of this level found on another network.
Role = Literal['rewind', 'imp', 'source']
Make = Callable[[Mapping[Role, Ticket], Mapping[str, Any]], Ticket]


@dataclasses.dataclass(frozen=True)
class Method:
  """One way to make a ticket for a target.

  Attributes:
    needs: the tickets that `make` is given, by role.
    make: (tickets by role, settings) -> ticket; settings hold `target`,
      `order` and `seed`.
  """

  needs: tuple[Role, ...]
  make: Make


METHODS: dict[str, Method] = {}


def register(name: str, *needs: Role) -> Callable[[Make], Make]:
  """Enters a function into `METHODS` under `name`."""

  def enter(make: Make) -> Make:
    METHODS[name] = Method(needs, make)
    return make

  return enter


@register('imp', 'imp')
def imp(tickets, settings):
  """The ticket that IMP with rewinding found on the target itself."""
  del settings
  return tickets['imp']


@register('ett', 'source')
def ett(tickets, settings):
  """The source's ticket, stretched or squeezed to the target (E-LTH)."""
  return tickets['source'].transform(
    settings['target'], order=settings['order']
  )


@register('reinit', 'imp')
def reinit(tickets, settings):
  """The target's IMP mask over weights and BN freshly initialised."""
  masks = tickets['imp'].masks
  architecture = Architecture.from_json(tickets['imp'].architecture)
  fresh = architecture.init(_seed(settings, 'reinit'))
  return dataclasses.replace(
    tickets['imp'],
    params=apply_masks(fresh['params'], masks),
    batch_stats=fresh['batch_stats'],
  )


@register('random', 'rewind', 'imp')
def random(tickets, settings):
  """Dense rewind weights, the target's IMP mask permuted in each layer."""
  shuffle = generator(_seed(settings, 'random'), 'permute')
  masks = permute_within_leaves(tickets['imp'].masks, shuffle)
  return lottery.with_masks(tickets['rewind'], masks)


@register('magnitude', 'rewind', 'imp')
def magnitude(tickets, settings):
  """The largest dense rewind weights, as many as the IMP ticket keeps."""
  del settings
  rewind = tickets['rewind']
  family = Architecture.from_json(rewind.architecture).family
  sizes = map_named(lambda _, param: abs(param), rewind.params)
  keep, _ = counts(tickets['imp'].masks)
  masks = keep_largest(sizes, rewind.masks, keep, family.is_spared)
  return lottery.with_masks(rewind, masks)


def _seed(settings: Mapping[str, Any], purpose: str) -> int:
  """A seed that differs by method, level and replicate."""
  draw = generator(settings['seed'], purpose, settings['level'])
  return int(draw.integers(2**31))
