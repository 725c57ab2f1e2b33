"""Scores from gradients at the present weights: SNIP and GraSP.

Both take `apply(variables, inputs) -> logits` (a Flax module's `apply`, say)
with variables that have `params`, and batches of (inputs, labels). BN is in
evaluation mode if `apply` leaves it so by default.
"""

import functools
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from elth_jax.masks import apply_masks
from elth_jax.process.precision import products_in
from elth_jax.trees import (
  PyTree,
  check_same_leaves,
  flatten,
  map_named,
)

Apply = Callable[..., Any]  # (variables, inputs) -> logits
Batches = Iterable[tuple[Any, Any]]


def params_of(variables: Mapping[str, Any]) -> PyTree:
  """The parameters among a model's variables.

  Raises:
    ValueError: if there are none, as when parameters alone are given.
  """
  if 'params' not in variables:
    raise ValueError(
      f'variables has {sorted(map(str, variables))[:4]} and no params; give '
      "{'params': params} and other collections, as a module's init does"
    )
  return variables['params']


def snip_scores(
  apply: Apply, variables: Mapping[str, PyTree], batches: Batches
) -> PyTree:
  """SNIP: |g w|, the loss's sensitivity to removing a weight.

  Args:
    apply: (variables, inputs) -> logits; the same function object is compiled
      once.
    variables: with `params` at the point where to prune.
    batches: (inputs, int labels); g is the mean gradient over all of them.
      One batch is the paper's way, an epoch that of E-LTH.

  Returns:
    Scores like `variables['params']`, `None` where a leaf is; the largest are
    to be kept.

  Raises:
    ValueError: if the variables have no `params`.

  References:
    Lee et al., SNIP, 2019, equation 6.
  """
  params = params_of(variables)
  gradient = _mean_over(_gradient, apply, variables, batches, 1.0)
  return map_named(
    lambda name, w, g: None if w is None else np.abs(_product(name, w, g)),
    params,
    gradient,
  )


def grasp_scores(
  apply: Apply,
  variables: Mapping[str, PyTree],
  batches: Batches,
  temperature: float = 200.0,
  absolute: bool = False,
  masks: PyTree | None = None,
  prunable: Callable[[str], bool] | None = None,
) -> PyTree:
  """GraSP: w (H g), what removing a weight costs the gradient's flow.

  The paper removes the largest S = -w (H g); this is -S, so that, as with all
  scores here, the largest are kept. The gradient g and the product H g run
  over the prunable weights alone, as in the published code: biases and BN
  are held fixed.

  Args:
    apply: (variables, inputs) -> logits.
    variables: with `params` at the point where to prune.
    batches: gone through twice, for g and for H g.
    temperature: logits are divided by it.
    absolute: score |S| instead, as E-LTH's code did.
    masks: bool arrays like `params`, `None` where a leaf is not prunable.
      Weights outside their masks are zero for the loss, and g is zero there.
    prunable: which leaves are, by name, instead of `masks`. With neither,
      leaves whose last name is `kernel`.

  Returns:
    float64 scores like `params`, `None` where a leaf is not prunable.

  Raises:
    ValueError: if the variables have no `params`, no leaf is prunable, `masks`
      do not fit the parameters, `temperature` is not a positive number, or a
      score is not finite.

  References:
    Wang et al., Picking Winning Tickets Before Training by Preserving Gradient
    Flow, 2020, equation 8 and algorithm 1.
  """
  if not (math.isfinite(temperature) and temperature > 0):
    raise ValueError(f'temperature is {temperature}; give a positive number')
  kept = _kept(params_of(variables), masks, prunable)
  if masks is not None:
    params = apply_masks(variables['params'], masks)
    variables = {**variables, 'params': params}
  batches = list(batches)
  slopes = flatten(
    _mean_over(_gradient, apply, variables, batches, temperature)
  )
  gradient = {
    name: slopes[name] if mask is None else jnp.where(mask, slopes[name], 0)
    for name, mask in kept.items()
  }
  product = _mean_over(
    _hessian_product, apply, variables, batches, temperature, gradient
  )

  def score(name, w, h):
    if name not in kept:
      return None
    scores = _product(name, w, h)
    return np.abs(scores) if absolute else scores

  return map_named(score, variables['params'], product)


def _kept(
  params: PyTree,
  masks: PyTree | None,
  prunable: Callable[[str], bool] | None,
) -> dict[str, Any]:
  """The prunable leaves: name -> mask, or `None` where all of it is kept."""
  leaves = flatten(params)
  if masks is not None and prunable is not None:
    raise ValueError('give masks or prunable, not both')
  if masks is not None:
    check_same_leaves(leaves, flatten(masks), 'masks')
    found = {n: mask for n, mask in flatten(masks).items() if mask is not None}
  else:
    found = dict.fromkeys(filter(prunable or _is_kernel, leaves))
  if not found:
    some = ', '.join(list(leaves)[:4])
    raise ValueError(
      f'no leaf of params is prunable (there are {some}); give prunable, a '
      'function that is true for the names of leaves to prune, or masks'
    )
  return found


def _is_kernel(name: str) -> bool:
  return name.rpartition('/')[2] == 'kernel'


def _loss(params, apply, variables, inputs, labels, temperature):
  logits = _widened(apply({**variables, 'params': params}, inputs))
  logits = logits / temperature
  return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


@functools.partial(jax.jit, static_argnums=0)
def _gradient(apply, variables, inputs, labels, temperature):
  with products_in('highest'):
    return jax.grad(_loss)(
      variables['params'], apply, variables, inputs, labels, temperature
    )


@functools.partial(jax.jit, static_argnums=0)
def _hessian_product(apply, variables, inputs, labels, temperature, vector):
  """H v as the gradient of <gradient, v>: needs reverse mode alone.

  `vector` is flat, by name of leaf; leaves without an entry count as zero.
  """

  def along(params):
    gradient = jax.grad(_loss)(
      params, apply, variables, inputs, labels, temperature
    )
    slopes = flatten(gradient)
    return sum(
      jnp.vdot(_widened(slopes[name]), v) for name, v in vector.items()
    )

  with products_in('highest'):
    return jax.grad(along)(variables['params'])


def _mean_over(function, apply, variables, batches, temperature, *more):
  """The mean of a function of batches over all examples."""
  total, count = None, 0
  for batch in batches:
    if not isinstance(batch, tuple | list) or len(batch) != 2:
      raise ValueError(
        'batches hold something else than pairs; give a list of (inputs, '
        'labels)'
      )
    inputs, labels = batch
    one = function(apply, variables, inputs, labels, temperature, *more)
    size = len(labels)
    one = jax.tree.map(lambda leaf, size=size: _widened(leaf) * size, one)
    total = one if total is None else jax.tree.map(jnp.add, total, one)
    count += size
  if total is None:
    raise ValueError('no batches were given')
  return jax.tree.map(lambda leaf: leaf / count, total)


def _widened(leaf: jax.Array) -> jax.Array:
  """In float32 at least: sums of half-precision numbers lose small terms."""
  return leaf.astype(jnp.promote_types(leaf.dtype, jnp.float32))


def _product(name: str, w: Any, g: Any) -> np.ndarray:
  """`w * g` in float64 on the host.

  bfloat16 has too few digits to rank products, so both are widened first.
  """
  scores = np.asarray(w, np.float64) * np.asarray(g, np.float64)
  if not np.isfinite(scores).all():
    raise ValueError(f'{name}: scores are not finite; is the loss?')
  return scores
