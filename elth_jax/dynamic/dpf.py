"""DPF: dense weights trained behind a mask that is chosen anew all the time."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from elth_jax.dynamic.method import Dynamic, register
from elth_jax.dynamic.rigl import rank
from elth_jax.trees import PyTree, flatten, map_named


def dpf(
  sizes: Mapping[str, int],
  *,
  start: int,
  stop: int,
  interval: int = 16,
  never_pruned_count: int = 0,
) -> Dynamic:
  """Dynamic pruning with feedback, as an (init, update) pair.

  Every `interval` steps, and at `stop`, the mask keeps the largest weights of
  all layers. The gradient is taken at the masked weights and applied to all
  dense ones, so that weights pruned too early come back. The sparsity follows
  the cubic schedule s (1 - (1 - t / n)^3) exactly, and stays from `stop` on,
  while the masks go on to change.

  Args:
    sizes: of the leaves that may be pruned, by name.
    start: the step at which training starts; t counts from there.
    stop: the step at which the wanted sparsity is reached; the second drop of
      the learning rate in the paper.
    interval: steps between masks.
    never_pruned_count: weights that count but are never pruned.

  References:
    Lin et al., Dynamic Model Pruning with Feedback, 2020, algorithm 1; Zhu and
    Gupta 2017 (the schedule).
  """
  if interval < 1 or stop <= start:
    raise ValueError(
      f'interval {interval} must be at least 1, and stop {stop} after the '
      f'start, {start}'
    )
  total = sum(sizes.values())

  def init(keep: int, seed: int) -> PyTree:
    del seed
    return {
      'kept': kept_by_update(
        total,
        keep - never_pruned_count,
        start=start,
        stop=stop,
        interval=interval,
      ),
      'used': {name: np.zeros((), np.float32) for name in sizes},
    }

  def masks(step, params, masks, state):
    since = step - start
    number = jnp.minimum(-(-since // interval), state['kept'].size - 1)
    masks = lax.cond(
      (since % interval == 0) | (step == stop),
      lambda old: masks_of_largest(params, old, sizes, state['kept'][number]),
      lambda old: old,
      masks,
    )
    now = flatten(masks)
    used = {
      name: sum_ + now[name].mean() for name, sum_ in state['used'].items()
    }
    return masks, {**state, 'used': used}

  return Dynamic(init=init, masks=masks, dense=True)


def masks_of_largest(
  params: PyTree, masks: PyTree, sizes: Mapping[str, int], keep: jax.Array
) -> PyTree:
  """The masks that keep the largest weights of the named leaves."""
  weights = flatten(params)
  values = jnp.concatenate([jnp.ravel(jnp.abs(weights[n])) for n in sizes])
  chosen = rank(values) < keep
  ends = np.cumsum(list(sizes.values()))[:-1]
  parts = dict(zip(sizes, jnp.split(chosen, ends), strict=True))
  return map_named(
    lambda name, mask: (
      parts[name].reshape(mask.shape) if name in parts else mask
    ),
    masks,
  )


def kept_by_update(
  total: int, keep: int, *, start: int, stop: int, interval: int
) -> np.ndarray:
  """How many weights are kept from each update on, int32; the last at stop."""
  updates = -(-(stop - start) // interval)
  progress = np.minimum(np.arange(updates + 1) * interval / (stop - start), 1)
  sparsity = (1 - keep / total) * (1 - (1 - progress) ** 3)
  kept = total - np.floor(sparsity * total + 1e-6)
  kept[-1] = keep
  return kept.astype(np.int32)


def _stop(drops: tuple[int, ...], steps: int) -> int:
  """The step that reaches the sparsity: at the second drop, or the last."""
  return drops[1] if drops[1:] and drops[1] != steps else steps - 1


def _check(
  options: Mapping[str, Any], start: int, drops: tuple[int, ...], steps: int
) -> None:
  del options
  stop = _stop(drops, steps)
  if not start < stop < steps:
    raise ValueError(
      f'prunes from step {start}, the rewind point, to step {stop}, the '
      'second drop of the learning rate or the last step of training, which '
      f'ends at {steps}; see --config.recipe.drop_epochs'
    )


@register(
  'dpf',
  lambda sparse: {'interval': sparse.dpf_interval},
  label='DPF',
  starts_dense=True,
  colour='#35978F',
  marker='P',
  version=2,
  check=_check,
)
def _dpf(options, training):
  """DPF: dense weights trained behind a mask that grows sparser.

  The schedule ends at the second drop of the learning rate, or at the last
  step of training.
  """
  return dpf(
    training.sizes,
    start=training.start,
    stop=_stop(training.drops, training.steps),
    interval=options['interval'],
    never_pruned_count=training.never_pruned_count,
  )
