"""RigL, SET and DPF as transformations of optax: masks that change meanwhile.

The methods are those of `elth_jax.dynamic`, which studies train with.
"""

import math

import jax
import jax.numpy as jnp
import optax
from jax import lax

from elth_jax.dynamic import Dynamic
from elth_jax.dynamic import dpf as dpf_method
from elth_jax.dynamic import rigl as rigl_method
from elth_jax.dynamic.rigl import check_slots
from elth_jax.masks import (
  apply_masks,
  check_prunable,
  counts,
  masked_leaves,
)
from elth_jax.optim.keep_masked import (
  fitted,
  masked_updates,
  needed,
  wrapped,
)
from elth_jax.optim.state import SparseState
from elth_jax.trees import PyTree


def rigl(
  tx: optax.GradientTransformation,
  masks: PyTree,
  *,
  stop: int,
  interval: int = 100,
  drop_fraction: float = 0.3,
) -> optax.GradientTransformationExtraArgs:
  """RigL: every so often, small weights go where gradients are large.

  Every `interval` updates before `stop`, in place of a step of `tx`, each leaf
  drops its smallest weights and grows as many where the gradient is largest.
  Every leaf keeps its count exactly, and pruned weights are exactly 0.

  Args:
    tx: the whole optimiser: what comes after it in a chain would move pruned
      weights. Its momentum of grown weights starts at 0, where it has the
      weights' shape; of which weight a value is, `optax.tree_map_params` must
      know, as it does not for `optax.sm3` and `optax.lbfgs`.
    masks: bool arrays with the structure of the parameters; `None` where a
      parameter is dense. They fix how many weights each leaf has; see
      `elth_jax.dynamic.erk_counts`.
    stop: the update from which masks stay; 75% of training in the paper.
    interval: updates between changes.
    drop_fraction: the share of weights that a change drops, at update 0; it
      falls to 0 at `stop` by a cosine, so the first change drops less already.

  Returns:
    A transformation that needs `params`. Gradients must be those of all
    weights, as `jax.grad` gives them; `tx` sees those of the kept ones.

  Raises:
    TypeError: if the first argument is no transformation.
    ValueError: if a setting is out of range; from `init`, naming the leaf, if
      a mask does not fit, or naming the state of an optimiser whose values
      cannot be told apart.

  References:
    Evci et al., Rigging the Lottery: Making All Tickets Winners, 2020.
  """
  _check_stop(stop, interval)
  method = rigl_method(
    tx, stop=stop, interval=interval, drop_fraction=drop_fraction
  )
  return _changing(tx, masks, method, 0)


def _check_stop(stop: int, interval: int) -> None:
  if stop <= interval:
    raise ValueError(
      f'masks never change: the first change is at update {interval}, but none '
      f'is made from update {stop} on; lower interval, or raise stop'
    )


def set_(
  tx: optax.GradientTransformation,
  masks: PyTree,
  *,
  stop: int,
  interval: int = 100,
  drop_fraction: float = 0.3,
  seed: int = 0,
) -> optax.GradientTransformationExtraArgs:
  """SET: as `rigl`, growing at random.

  Args:
    tx: as for `rigl`.
    masks: as for `rigl`.
    stop: as for `rigl`.
    interval: as for `rigl`.
    drop_fraction: as for `rigl`.
    seed: of where to grow.

  References:
    Mocanu et al., Scalable training of artificial neural networks with adaptive
    sparse connectivity, 2018.
  """
  _check_stop(stop, interval)
  method = rigl_method(
    tx,
    stop=stop,
    interval=interval,
    drop_fraction=drop_fraction,
    grow='random',
  )
  return _changing(tx, masks, method, seed)


def dpf(
  tx: optax.GradientTransformation,
  masks: PyTree,
  sparsity: float,
  *,
  stop: int,
  interval: int = 16,
) -> optax.GradientTransformationExtraArgs:
  """DPF: all weights are trained behind masks of the largest.

  Gradients are those at the masked weights, applied to all:

    seen = elth_jax.optim.masked(params, opt_state)
    grads = jax.grad(loss)(seen)
    updates, opt_state = tx.update(grads, opt_state, params)

  The network in the end is `masked(params, opt_state)`.

  Args:
    tx: the whole optimiser: masks are chosen from the weights that it makes.
    masks: bool arrays, all true (see `elth_jax.masks.dense_masks`); `None`
      where a parameter is dense.
    sparsity: the share of zeros wanted in the end, 0 to 1.
    stop: the update at which it is reached, by a cubic schedule.
    interval: updates between masks; there is one at `stop` in any case.

  Returns:
    A transformation that needs `params`.

  Raises:
    TypeError: if the first argument is no transformation.
    ValueError: if a setting is out of range, or no leaf has a mask; from
      `init`, naming the leaf, if a mask does not fit.

  References:
    Lin et al., Dynamic Model Pruning with Feedback, 2020.
  """
  inner = wrapped(tx)
  if not 0 <= sparsity <= 1:
    raise ValueError(f'sparsity is {sparsity}; give a share between 0 and 1')
  check_prunable(masks)
  kept, total = counts(masks)
  if kept < total:
    raise ValueError(
      f'dpf starts from all weights, but the masks keep {kept} of {total}; '
      'give elth_jax.masks.dense_masks(params, ...)'
    )
  sizes = {name: math.prod(mask.shape) for name, mask in masked_leaves(masks)}
  method = dpf_method(sizes, start=0, stop=stop, interval=interval)
  choose = method.masks
  assert choose is not None
  keep = total - round(sparsity * total)

  def init(params: PyTree) -> SparseState:
    own = jax.tree.map(jnp.asarray, method.init(keep, 0))
    now, own = choose(jnp.int32(0), params, fitted(masks, params), own)
    return SparseState(now, inner.init(params), jnp.int32(0), own)

  def update(updates, state, params=None, **extra):
    updates, new = inner.update(updates, state.inner, needed(params), **extra)
    step = state.step + 1
    after = optax.apply_updates(needed(params), updates)
    now, own = choose(step, after, state.masks, state.own)
    return updates, SparseState(now, new, step, own)

  return optax.GradientTransformationExtraArgs(init, update)


def _changing(
  tx: optax.GradientTransformation, masks: PyTree, method: Dynamic, seed: int
) -> optax.GradientTransformationExtraArgs:
  """The transformation for a method that takes the place of some updates."""
  inner = wrapped(tx)
  due, change_masks = method.due, method.update
  assert due is not None and change_masks is not None

  def init(params: PyTree) -> SparseState:
    own = jax.tree.map(jnp.asarray, method.init(0, seed))
    now, inner_state = fitted(masks, params), inner.init(params)
    check_slots(inner, inner_state, now)
    return SparseState(now, inner_state, jnp.int32(0), own)

  def update(updates, state, params=None, **extra):
    grads, params = updates, needed(params)

    def train(state):
      kept = apply_masks(grads, state.masks)
      new, inner_state = inner.update(kept, state.inner, params, **extra)
      return masked_updates(state.masks, new, params), state.masks, inner_state

    def change(state):
      new, now, inner_state = change_masks(
        state.step, params, state.masks, grads, state.inner, state.own
      )
      changed = jax.tree.map(jnp.subtract, new, params), now, inner_state
      return jax.tree.map(
        lambda leaf, like: leaf.astype(like.dtype),
        changed,
        jax.eval_shape(train, state),
      )

    new, now, inner_state = lax.cond(due(state.step), change, train, state)
    return new, SparseState(now, inner_state, state.step + 1, state.own)

  return optax.GradientTransformationExtraArgs(init, update)
