"""Scores from gradients at the present weights: SNIP and GraSP.

Both take `apply(variables, inputs) -> logits` (a Flax module's `apply`, say)
with variables that have `params`, and batches of (inputs, labels). BN is in
evaluation mode if `apply` leaves it so by default.
"""

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from elth_jax.trees import PyTree, map_named

Apply = Callable[..., Any]  # (variables, inputs) -> logits
Batches = Iterable[tuple[Any, Any]]


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
    Scores like `variables['params']`; the largest are to be kept.

  References:
    Lee et al., SNIP, 2019, equation 6.
  """
  gradient = _mean_over(_gradient, apply, variables, batches, 1.0)
  return _combine(lambda w, g: np.abs(g * w), variables['params'], gradient)


def grasp_scores(
  apply: Apply,
  variables: Mapping[str, PyTree],
  batches: Batches,
  temperature: float = 200.0,
  absolute: bool = False,
) -> PyTree:
  """GraSP: w (H g), what removing a weight costs the gradient's flow.

  The paper removes the largest S = -w (H g); this is -S, so that, as with all
  scores here, the largest are kept.

  Args:
    apply: (variables, inputs) -> logits.
    variables: with `params` at the point where to prune.
    batches: gone through twice, for g and for H g.
    temperature: logits are divided by it.
    absolute: score |S| instead, as E-LTH's code did.

  References:
    Wang et al., Picking Winning Tickets Before Training by Preserving Gradient
    Flow, 2020, equation 8 and algorithm 1.
  """
  batches = list(batches)
  gradient = _mean_over(_gradient, apply, variables, batches, temperature)
  product = _mean_over(
    _hessian_product, apply, variables, batches, temperature, gradient
  )
  return _combine(
    lambda w, h: np.abs(w * h) if absolute else w * h,
    variables['params'],
    product,
  )


def _loss(params, apply, variables, inputs, labels, temperature):
  logits = apply({**variables, 'params': params}, inputs) / temperature
  return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


@functools.partial(jax.jit, static_argnums=0)
def _gradient(apply, variables, inputs, labels, temperature):
  return jax.grad(_loss)(
    variables['params'], apply, variables, inputs, labels, temperature
  )


@functools.partial(jax.jit, static_argnums=0)
def _hessian_product(apply, variables, inputs, labels, temperature, vector):
  """H v as the gradient of <gradient, v>: needs reverse mode alone."""

  def along(params):
    gradient = jax.grad(_loss)(
      params, apply, variables, inputs, labels, temperature
    )
    products = jax.tree.map(lambda g, v: jnp.vdot(g, v), gradient, vector)
    return sum(jax.tree.leaves(products))

  return jax.grad(along)(variables['params'])


def _mean_over(function, apply, variables, batches, temperature, *more):
  """The mean of a function of batches over all examples."""
  total, count = None, 0
  for inputs, labels in batches:
    one = function(apply, variables, inputs, labels, temperature, *more)
    size = len(labels)
    one = jax.tree.map(lambda leaf, size=size: leaf * size, one)
    total = one if total is None else jax.tree.map(jnp.add, total, one)
    count += size
  if total is None:
    raise ValueError('no batches were given')
  return jax.tree.map(lambda leaf: leaf / count, total)


def _combine(function, params: PyTree, other: PyTree) -> PyTree:
  """`function(weight, other)` by leaf, in float64 on the host.

  bfloat16 has too few digits to rank products, so all are widened first.
  """

  def both(name, w, o):
    scores = function(np.asarray(w, np.float64), np.asarray(o, np.float64))
    if not np.isfinite(scores).all():
      raise ValueError(f'{name}: scores are not finite; is the loss?')
    return scores

  return map_named(both, params, other)
