"""The optimiser of a recipe, as an optax chain that keeps pruned weights 0."""

from typing import Any

import jax
import jax.numpy as jnp
import optax

from elth_jax.optim.keep_masked import masked_updates
from elth_jax.training.recipe import Recipe
from elth_jax.trees import PyTree


def make_optimizer(
  recipe: Recipe, schedule: optax.Schedule
) -> optax.GradientTransformationExtraArgs:
  """L2, then momentum or Adam, then the step size, then the masks.

  AdamW's weight decay comes after Adam.

  `update` takes `step` (counted from the dense start, so that momentum can be
  fresh while the schedule goes on) and `masks` beside optax's own arguments.
  """
  if recipe.optimizer in ('adam', 'adamw'):
    direction = optax.scale_by_adam(b1=0.9, b2=0.999)
  elif recipe.momentum:
    direction = optax.trace(decay=recipe.momentum, nesterov=recipe.nesterov)
  else:
    direction = optax.identity()
  decay = optax.identity()
  if recipe.l2:
    decay = optax.add_decayed_weights(recipe.l2)
  first = (decay, direction)
  return optax.chain(
    *(reversed(first) if recipe.optimizer == 'adamw' else first),
    scale_by_schedule_at_step(schedule),
    mask_updates(),
  )


def scale_by_schedule_at_step(
  schedule: optax.Schedule,
) -> optax.GradientTransformationExtraArgs:
  """Scales by minus the learning rate at the `step` that `update` is given."""

  def update(updates, state, params=None, *, step, **extra):
    del params, extra
    rate = -jnp.asarray(schedule(step))
    return jax.tree.map(lambda u: rate * u, updates), state

  return _extra_args(update)


def mask_updates() -> optax.GradientTransformationExtraArgs:
  """Turns the update of every pruned weight into minus that weight.

  Last in a chain, it leaves exact zeros under momentum and L2. `masks` given
  to `update` holds bool arrays, or `None` where a parameter is dense.
  """

  def update(updates, state, params=None, *, masks: PyTree, **extra):
    del extra

    return masked_updates(masks, updates, params), state

  return _extra_args(update)


def _extra_args(update: Any) -> optax.GradientTransformationExtraArgs:
  """A transformation without state whose `update` needs extra arguments."""
  return optax.GradientTransformationExtraArgs(
    lambda params: optax.EmptyState(), update
  )
