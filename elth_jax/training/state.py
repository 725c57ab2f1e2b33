"""What flows through the compiled step: arrays only."""

import dataclasses
import operator

import jax
import numpy as np
import optax

from elth_jax.tickets.ticket import Ticket
from elth_jax.trees import PyTree


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class TrainState:
  """One ticket in training, or several stacked along a leading axis.

  Attributes:
    step: int32, counted from the dense start; r at the start of a ticket.
    params: float32 parameters, exactly zero where pruned.
    batch_stats: BN running statistics.
    opt_state: optax's state; fresh at the start of a ticket.
    masks: bool, or `None` where a parameter is dense.
    dynamic: arrays of a method that changes masks; empty without one.
  """

  step: jax.Array | np.ndarray
  params: PyTree
  batch_stats: PyTree
  opt_state: PyTree
  masks: PyTree
  dynamic: PyTree = ()


def start_state(
  ticket: Ticket,
  step: int,
  optimizer: optax.GradientTransformationExtraArgs,
  dynamic: PyTree = (),
) -> TrainState:
  """A host copy of the ticket, ready to train from `step`."""
  opt_state = jax.eval_shape(optimizer.init, ticket.params)
  return TrainState(
    step=np.array(step, np.int32),
    params=jax.tree.map(np.array, ticket.params),
    batch_stats=jax.tree.map(np.array, ticket.batch_stats),
    # every optimiser here starts from zeros; asserted in the tests
    opt_state=jax.tree.map(lambda s: np.zeros(s.shape, s.dtype), opt_state),
    masks=jax.tree.map(np.array, ticket.masks),
    dynamic=dynamic,
  )


def stack(states: list[TrainState]) -> TrainState:
  """Several states as one with a leading axis."""
  return jax.tree.map(lambda *leaves: np.stack(leaves), *states)


def unstack(state: TrainState, count: int) -> list[TrainState]:
  """The first `count` states of a stacked one, on the host."""
  host = jax.tree.map(np.asarray, state)
  return [jax.tree.map(operator.itemgetter(i), host) for i in range(count)]
