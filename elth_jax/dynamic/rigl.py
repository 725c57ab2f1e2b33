"""RigL: drop the smallest weights, grow where the gradient is largest."""

import math
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from elth_jax.dynamic.method import Dynamic, Training, register
from elth_jax.dynamic.options import Sparse
from elth_jax.trees import PyTree


def rigl(
  optimizer: Any,
  stop: int,
  interval: int = 100,
  drop_fraction: float = 0.3,
  grow: str = 'gradient',
) -> Dynamic:
  """RigL as an (init, update) pair; every layer keeps its count exactly.

  Every `interval` steps before `stop`, instead of an optimiser step, each layer
  drops floor(f n) of its n weights, the smallest, and grows as many where the
  dense gradient is largest, among all that are not kept: those just dropped
  may return, with their values. New weights start at 0 with fresh momentum.
  f falls from `drop_fraction` to 0 by a cosine.

  Args:
    optimizer: the optax transformation whose momentum of new weights is set
      to 0.
    stop: the step from which masks stay; 75% of training in the paper.
    interval: steps between updates.
    drop_fraction: f at step 0.
    grow: `gradient`, or `random` for SET.

  References:
    Evci et al., Rigging the Lottery: Making All Tickets Winners, 2020,
    algorithm 1; Mocanu et al. 2018 (SET).
  """
  if grow not in ('gradient', 'random'):
    raise ValueError(f'grow is {grow!r}; give gradient or random')
  if interval < 1 or not 0 <= drop_fraction < 1:
    raise ValueError(
      f'interval {interval} must be at least 1 and drop_fraction '
      f'{drop_fraction} between 0 and 1'
    )

  def init(keep: int, seed: int) -> PyTree:
    del keep
    return {'seed': np.uint32(seed)}

  def due(step):
    return (step % interval == 0) & (step > 0) & (step < stop)

  def update(step, params, masks, grads, opt_state, state):
    share = drop_fraction / 2 * (1 + jnp.cos(jnp.pi * step / max(stop, 1)))
    leaves, structure = jax.tree.flatten(masks, is_leaf=_is_none)
    weights, slopes = jax.tree.leaves(params), jax.tree.leaves(grads)
    changed: list[tuple[Any, Any]] = []
    for number, mask in enumerate(leaves):
      if mask is None:
        changed.append((None, None))
        continue
      if grow == 'gradient':
        score = jnp.abs(slopes[number])
      else:
        score = chance(state['seed'], step, number, mask.shape)
      changed.append(drop_and_grow(mask, weights[number], score, share))
    new_masks = structure.unflatten([new for new, _ in changed])
    grown = structure.unflatten([fresh for _, fresh in changed])
    params = _zero_outside(params, new_masks, grown)
    opt_state = optax.tree_map_params(
      optimizer,
      lambda slot, fresh: slot if fresh is None else jnp.where(fresh, 0, slot),
      opt_state,
      grown,
      is_leaf=_is_none,
    )
    return params, new_masks, opt_state

  return Dynamic(init=init, due=due, update=update)


def drop_and_grow(
  mask: jax.Array, weights: jax.Array, score: jax.Array, share: jax.Array
) -> tuple[jax.Array, jax.Array]:
  """One layer's update: (new mask, which weights are new in it).

  Args:
    mask: bool.
    weights: of the same shape, zero outside the mask.
    score: where to grow, largest first; ties by position.
    share: of the kept weights that are dropped, rounded down.
  """
  kept = mask.sum()
  count = jnp.floor(share * kept).astype(kept.dtype)
  stays = rank(jnp.where(mask, jnp.abs(weights), -1)) < kept - count
  grown = rank(jnp.where(stays, -1, score)) < count
  new = stays | grown
  return new, new & ~mask


def chance(
  seed: jax.Array, step: jax.Array, leaf: int, shape: tuple[int, ...]
) -> jax.Array:
  """Uniform numbers from (seed, step, leaf, position), by integer mixing.

  XLA takes a second to compile one call of its own generator on CPU; a few
  multiplications are enough to choose where to grow.
  """
  x = jnp.arange(math.prod(shape), dtype=jnp.uint32).reshape(shape)
  for word in (seed, step, np.uint32(leaf)):
    x = x ^ (jnp.asarray(word).astype(jnp.uint32) * np.uint32(0x9E3779B9))
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
      x = (x ^ (x >> np.uint32(shift))) * np.uint32(factor)
    x = x ^ (x >> np.uint32(16))
  return (x >> np.uint32(8)).astype(jnp.float32) / 2**24


def rank(values: jax.Array) -> jax.Array:
  """0 for the largest, and so on; of equal values the first comes first."""
  order = jnp.argsort(-values.reshape(-1), stable=True)
  ranks = jnp.zeros(values.size, order.dtype)
  return ranks.at[order].set(jnp.arange(values.size)).reshape(values.shape)


def _zero_outside(params: PyTree, masks: PyTree, grown: PyTree) -> PyTree:
  return jax.tree.map(
    lambda mask, new, p: p if mask is None else jnp.where(mask & ~new, p, 0),
    masks,
    grown,
    params,
    is_leaf=_is_none,
  )


def _is_none(leaf: Any) -> bool:
  return leaf is None


def rigl_settings(sparse: Sparse) -> dict[str, Any]:
  """The options of RigL and SET."""
  return {
    'interval': sparse.interval,
    'drop_fraction': sparse.drop_fraction,
    'stop_fraction': sparse.stop_fraction,
  }


def rigl_from(
  options: Mapping[str, Any], training: Training, grow: str
) -> Dynamic:
  """`rigl` for a training, from the values of `rigl_settings`."""
  return rigl(
    training.optimizer,
    int(options['stop_fraction'] * training.steps),
    options['interval'],
    options['drop_fraction'],
    grow,
  )


@register('rigl', rigl_settings, label='RigL', colour='#7F3B08', marker='*')
def _rigl(options, training):
  """RigL from the target's rewind weights, random masks by ERK."""
  return rigl_from(options, training, 'gradient')
