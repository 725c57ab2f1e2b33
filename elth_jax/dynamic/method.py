"""What a dynamic method is, and the ways to make one from plain values."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import optax

from elth_jax.names import unknown
from elth_jax.trees import PyTree


@dataclasses.dataclass(frozen=True)
class Dynamic:
  """One method of dynamic sparse training, for one ticket.

  Attributes:
    init: (keep, seed) -> the method's own arrays, on the host: data, so that
      one compilation serves all sparsities and seeds.
    masks: (step, params, masks, state) -> (masks, state), before the gradient
      is taken.
    due: step -> whether `update` takes the place of the optimiser's step.
    update: (step, params, masks, gradients, opt_state, state) -> (params,
      masks, opt_state).
    dense: whether weights outside the masks are trained too; the network then
      sees masked weights.
  """

  init: Callable[[int, int], PyTree]
  masks: Callable[..., tuple[PyTree, PyTree]] | None = None
  due: Callable[[Any], jax.Array] | None = None
  update: Callable[..., tuple[PyTree, PyTree, PyTree]] | None = None
  dense: bool = False


@dataclasses.dataclass(frozen=True)
class Training:
  """What a method must know of the training that it is part of.

  Attributes:
    start: the step at which tickets start, counted from the dense start.
    steps: the step at which training ends.
    drops: the steps at which the learning rate drops.
    optimizer: whose state a method may have to reset in part.
    sizes: of the prunable leaves that may be pruned, by name.
    spared: how many weights are counted but never pruned.
  """

  start: int
  steps: int
  drops: tuple[int, ...]
  optimizer: optax.GradientTransformation
  sizes: Mapping[str, int]
  spared: int


# (settings without `method`, training) -> method
Make = Callable[[Mapping[str, Any], Training], Dynamic]
DYNAMIC: dict[str, Make] = {}


def make_dynamic(settings: Mapping[str, Any], training: Training) -> Dynamic:
  """The method that plain settings name.

  Args:
    settings: `method`, and what its entry in `DYNAMIC` takes.
    training: what it is part of.

  Raises:
    ValueError: if the method is unknown or a setting is out of range.
  """
  options = dict(settings)
  method = options.pop('method')
  if method not in DYNAMIC:
    raise ValueError(unknown('dynamic method', method, DYNAMIC))
  return DYNAMIC[method](options, training)


def register(name: str) -> Callable[[Make], Make]:
  """Enters a function into `DYNAMIC` under `name`."""

  def enter(make: Make) -> Make:
    DYNAMIC[name] = make
    return make

  return enter
