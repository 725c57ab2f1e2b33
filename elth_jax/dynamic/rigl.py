"""RigL: drop the smallest weights, grow where the gradient is largest."""

import math
from collections.abc import Iterator, Mapping
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
  *,
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
      to 0. What it keeps in other shapes than the weights' stays.
    stop: the step from which masks stay; 75% of training in the paper. None
      changes if it is not later than `interval`.
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
    numbers = structure.unflatten(range(len(leaves)))

    def change(mask, weights, slopes, number):
      if mask is None:
        return None
      if grow == 'gradient':
        score = jnp.abs(slopes)
      else:
        score = chance(state['seed'], step, number, mask.shape)
      return drop_and_grow(mask, weights, score, share)

    new_masks = jax.tree.map(
      change, masks, params, grads, numbers, is_leaf=_is_none
    )
    params = _zero_unless_kept(params, masks, new_masks)
    opt_state = optax.tree_map_params(
      optimizer, _fresh, opt_state, masks, new_masks, is_leaf=_is_no_slot
    )
    return params, new_masks, opt_state

  return Dynamic(init=init, due=due, update=update)


def check_slots(optimizer: Any, opt_state: PyTree, masks: PyTree) -> None:
  """Checks that what an optimiser keeps of each weight can be found.

  Args:
    optimizer: the optax transformation.
    opt_state: its state.
    masks: bool arrays with the structure of the parameters.

  Raises:
    ValueError: if optax cannot tell, as for `optax.sm3` and `optax.lbfgs`.
  """
  try:
    optax.tree_map_params(
      optimizer,
      lambda slot, mask: slot,
      opt_state,
      masks,
      is_leaf=_is_no_slot,
    )
  except (ValueError, TypeError, LookupError) as error:
    raise ValueError(
      f'an optimiser with {", ".join(_states(opt_state))} does not tell what '
      'it keeps of which weight, and that of grown weights must start at 0; '
      'give another one'
    ) from error


def _states(opt_state: PyTree) -> Iterator[str]:
  """The classes of what an optimiser's parts keep, e.g. `ScaleByAdamState`."""
  if hasattr(opt_state, '_fields'):
    yield type(opt_state).__name__
  elif isinstance(opt_state, tuple):
    for part in opt_state:
      yield from _states(part)


def drop_and_grow(
  mask: jax.Array, weights: jax.Array, score: jax.Array, share: jax.Array
) -> jax.Array:
  """One layer's new mask.

  Args:
    mask: bool.
    weights: of the same shape, zero outside the mask.
    score: where to grow, largest first; ties by position.
    share: of the kept weights that are dropped, rounded down.

  Weights and scores that are not finite come after all that are.
  """
  kept = mask.sum()
  count = jnp.floor(share * kept).astype(kept.dtype)
  sizes = _finite_first(jnp.abs(weights))
  stays = rank(jnp.where(mask, sizes, -jnp.inf)) < kept - count
  grown = rank(jnp.where(stays, -jnp.inf, _finite_first(score))) < count
  return stays | grown


def _finite_first(sizes: jax.Array) -> jax.Array:
  """Sizes of 0 and more; -1 for what is NaN or infinite."""
  return jnp.where(jnp.isfinite(sizes), sizes, -1)


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


def _zero_unless_kept(params: PyTree, masks: PyTree, new: PyTree) -> PyTree:
  """Weights that both masks keep; those that are new start at 0."""
  return jax.tree.map(
    lambda old, new, p: p if old is None else jnp.where(old & new, p, 0),
    masks,
    new,
    params,
    is_leaf=_is_none,
  )


def _fresh(slot: Any, old: Any, new: Any) -> Any:
  """What an optimiser keeps of a leaf, 0 where weights are new or pruned."""
  if old is None or np.shape(slot) != old.shape:
    return slot
  return jnp.where(new & old, slot, 0)


def _is_none(leaf: Any) -> bool:
  return leaf is None


def _is_no_slot(leaf: Any) -> bool:
  """Whether an optimiser keeps nothing of a leaf."""
  return leaf is None or isinstance(leaf, optax.MaskedNode)


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
    stop=_stop(options, training.steps),
    interval=options['interval'],
    drop_fraction=options['drop_fraction'],
    grow=grow,
  )


def note_on_changes(options: Mapping[str, Any], start: int, steps: int) -> str:
  """What to know of a training of RigL or SET in which no mask changes."""
  interval, stop = options['interval'], _stop(options, steps)
  first = interval * max(-(-start // interval), 1)
  if first < stop:
    return ''
  return (
    f'never changes a mask: from the rewind point, step {start}, the first '
    f'change is at step {first}, but none is made from step {stop} of {steps} '
    'on; lower --config.sparse.interval, or train longer'
  )


def _stop(options: Mapping[str, Any], steps: int) -> int:
  """The step from which masks stay."""
  return int(options['stop_fraction'] * steps)


@register(
  'rigl',
  rigl_settings,
  label='RigL',
  colour='#7F3B08',
  marker='*',
  note=note_on_changes,
)
def _rigl(options, training):
  """RigL from the target's rewind weights, random masks by ERK."""
  return rigl_from(options, training, 'gradient')
