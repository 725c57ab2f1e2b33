"""Training under masks that stay: exact zeros with any optimiser."""

from typing import Any

import jax
import jax.numpy as jnp
import optax

from elth_jax.masks import apply_masks, check_masks, check_prunable
from elth_jax.optim.state import SparseState
from elth_jax.trees import PyTree, map_named


def keep_masked(
  tx: optax.GradientTransformation, masks: PyTree
) -> optax.GradientTransformationExtraArgs:
  """An optimiser whose pruned weights are exactly 0 after every update.

  The update of a pruned weight is minus that weight, so momentum, weight decay
  and rounding leave nothing there. Weights that are not 0 yet become so at the
  first update, but for infinite and NaN ones, which no update can take to 0:
  start from `rewind(params, masks)`. `tx` sees no gradient of a pruned weight,
  so norms that it takes (to clip, or in LAMB and LARS) are those of the weights
  that are kept.

  Args:
    tx: the whole optimiser, schedules included: what comes after it in a chain
      would move pruned weights.
    masks: bool arrays by the names of the parameters, true where a weight is
      kept; `None` where a parameter is dense. Node types may differ.

  Returns:
    A transformation that needs `params`: `tx.update(grads, state, params)`.
    Its state is a `SparseState`; further arguments go to `tx`.

  Raises:
    TypeError: if the first argument is no transformation.
    ValueError: from `init`, naming the leaf, if a mask does not fit.
  """
  inner = wrapped(tx)

  def init(params: PyTree) -> SparseState:
    now = fitted(masks, params)
    return SparseState(now, inner.init(params), jnp.int32(0))

  def update(updates, state, params=None, **extra):
    params = needed(params)
    updates = apply_masks(updates, state.masks)
    updates, new = inner.update(updates, state.inner, params, **extra)
    updates = masked_updates(state.masks, updates, params)
    return updates, SparseState(state.masks, new, state.step + 1)

  return optax.GradientTransformationExtraArgs(init, update)


def wrapped(
  tx: optax.GradientTransformation,
) -> optax.GradientTransformationExtraArgs:
  """The transformation that a sparse optimiser wraps.

  Raises:
    TypeError: if it is none, as when masks were given first.
  """
  if not (hasattr(tx, 'init') and hasattr(tx, 'update')):
    raise TypeError(
      f'the first argument is a {type(tx).__name__}, not an optax '
      'transformation; give the optimiser first and the masks second, as in '
      'keep_masked(optax.sgd(0.1), masks)'
    )
  return optax.with_extra_args_support(tx)


def masked_updates(masks: PyTree, updates: PyTree, params: PyTree) -> PyTree:
  """Updates that take every finite weight outside its mask to exactly 0.

  Args:
    masks: bool arrays, or `None` where a parameter is dense.
    updates: what an optimiser wants to add.
    params: to which it is added.
  """

  def one(mask, update, param):
    return update if mask is None else jnp.where(mask, update, -param)

  return jax.tree.map(
    one, masks, updates, params, is_leaf=lambda leaf: leaf is None
  )


def fitted(masks: PyTree, params: PyTree) -> PyTree:
  """The masks as JAX's arrays of their own memory, in the parameters' nodes.

  Raises:
    ValueError: naming the leaf, if a mask does not fit, or if no leaf has one.
  """
  check_masks(masks, params)
  check_prunable(masks)
  return map_named(
    lambda _, weights, mask: None if mask is None else jnp.array(mask, bool),
    params,
    masks,
  )


def needed(params: PyTree | None) -> Any:
  """The parameters that `update` was given.

  Raises:
    ValueError: if it was given none.
  """
  if params is None:
    raise ValueError(
      'sparse optimisers need the parameters: '
      'tx.update(grads, opt_state, params)'
    )
  return params
