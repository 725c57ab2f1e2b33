"""Batch normalisation by the C++ kernels, alone or after a convolution.

With the convolution before it, fewer passes over memory are made: the sums are
taken while outputs are in cache, and the gradient between the two is never
stored. Only the activations pass gradients back, and no more than once.
"""

import dataclasses
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.custom_derivatives import SymbolicZero

from elth_jax.nn.native.calls import call_kernel, output_shape
from elth_jax.nn.native.library import Library

NOTHING = (0,)  # the shape of an array that is not there


@dataclasses.dataclass(frozen=True)
class Norm:
  """What a normalisation does, other than arrays.

  Attributes:
    library: the kernels.
    relu: whether negative values become 0; NaN stays.
    epsilon: what is added to the variance.
    across: the mapped axis over which a batch is split, if it is.
  """

  library: Library
  relu: bool
  epsilon: float
  across: str | None

  def total(self, tree: Any) -> Any:
    """Sums over the parts of a batch."""
    return tree if self.across is None else lax.psum(tree, self.across)


class Saved(NamedTuple):
  """What a gradient needs.

  Attributes:
    x: what was normalised.
    z: the result, if there was a residual; else x tells where a ReLU is 0.
    affine: factors and shifts, (2, channels).
    statistics: mean and 1 / deviation, (2, channels).
    scale: as given.
    valid: as given.
    count: how many pixels count.
  """

  x: jax.Array
  z: jax.Array | None
  affine: jax.Array
  statistics: jax.Array
  scale: jax.Array
  valid: jax.Array
  count: jax.Array


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def batch_norm(
  norm: Norm,
  x: jax.Array,
  scale: jax.Array,
  bias: jax.Array,
  valid: jax.Array,
  residual: jax.Array | None,
) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
  """Batch normalisation in training, plus a residual, perhaps through a ReLU.

  Args:
    norm: what it does.
    x: float32 activations (groups, channels, height, width, examples).
    scale: float32 (channels,); likewise `bias`.
    bias: what is added.
    valid: float32 (groups, examples), 0 for examples that do not count.
    residual: like `x`, or `None`.

  Returns:
    Activations; mean and biased variance by channel; how many pixels count.
  """
  return _norm_forward(norm, x, scale, bias, valid, residual)[0]


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def conv_batch_norm(
  norm: Norm,
  stride: int,
  x: jax.Array,
  kernel: jax.Array,
  scale: jax.Array,
  bias: jax.Array,
  valid: jax.Array,
  residual: jax.Array | None,
) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array, jax.Array]:
  """`batch_norm` of `calls.conv`; arguments are those of both.

  The last result is `x`. Who uses that one instead has the gradient that comes
  this way added to the convolution's as that is made.
  """
  y, sums = _convolved(norm, stride, x, kernel, valid)
  results, _ = _normalised(norm, y, sums, scale, bias, valid, residual)
  return *results, x


def _normalised(norm, x, sums, scale, bias, valid, residual):
  """The results, and what their gradient needs."""
  count = valid.sum() * x.shape[2] * x.shape[3]
  count, (first, second) = norm.total((count, sums))
  mean = first / count
  variance = jnp.maximum(second / count - mean**2, 0)
  inverse = lax.rsqrt(variance + norm.epsilon)
  factor = scale * inverse
  affine = jnp.stack([factor, bias - mean * factor])
  (z,) = call_kernel(
    norm.library,
    'norm_apply',
    [x.shape],
    x,
    affine,
    _or_nothing(residual),
    relu=norm.relu,
  )
  kept = None if residual is None else z
  statistics = jnp.stack([mean, inverse])
  saved = Saved(x, kept, affine, statistics, scale, valid, count)
  return (z, mean, variance, count), saved


def _to_norm(norm, saved, dz):
  """The gradients to scale and bias, and what the kernels need for others."""
  z = _or_nothing(saved.z if norm.relu else None)
  (own,) = call_kernel(
    norm.library,
    'norm_gradient_sums',
    [saved.affine.shape],
    dz,
    saved.x,
    z,
    saved.affine,
    saved.statistics,
    relu=norm.relu,
  )
  first, second = norm.total(own)
  mean, inverse = saved.statistics
  factor = saved.scale * inverse
  slope = factor * inverse * second / saved.count
  constant = factor * first / saved.count - mean * slope
  terms = jnp.stack([factor, constant, slope])
  arrays = dz, saved.x, z, saved.affine, saved.valid, terms
  return arrays, own[1], own[0]


def _residual_shape(norm, saved):
  """Of the gradient to a residual; nothing if there is none, or if it is dz."""
  return saved.x.shape if norm.relu and saved.z is not None else NOTHING


def _residual_gradient(norm, saved, dz, found):
  if saved.z is None:
    return None
  return found if norm.relu else dz


def _or_nothing(x):
  return jnp.zeros(NOTHING, jnp.float32) if x is None else x


def _norm_forward(norm, x, scale, bias, valid, residual):
  sums_shape = (2, x.shape[1])
  (sums,) = call_kernel(norm.library, 'norm_sums', [sums_shape], x, valid)
  return _normalised(norm, x, sums, scale, bias, valid, residual)


def _norm_backward(norm, saved, given):
  arrays, dscale, dbias = _to_norm(norm, saved, given[0])
  dx, dresidual = call_kernel(
    norm.library,
    'norm_gradient',
    [saved.x.shape, _residual_shape(norm, saved)],
    *arrays,
    relu=norm.relu,
  )
  dresidual = _residual_gradient(norm, saved, given[0], dresidual)
  return dx, dscale, dbias, jnp.zeros_like(saved.valid), dresidual


batch_norm.defvjp(_norm_forward, _norm_backward)


def _convolved(norm, stride, x, kernel, valid):
  """The convolution, and sums over its outputs and over their squares."""
  shape = output_shape(x, kernel, stride)
  return call_kernel(
    norm.library,
    'joint_forward',
    [shape, (2, shape[1])],
    x,
    kernel,
    valid,
    stride=np.int64(stride),
  )


def _joint_forward(norm, stride, *primals):
  x, kernel, *others = (getattr(one, 'value', None) for one in primals)
  y, sums = _convolved(norm, stride, x, kernel, others[2])
  results, saved = _normalised(norm, y, sums, *others)
  # whether an array is there may depend on it; images need no gradient
  needs_dx = _or_nothing(None) if primals[0].perturbed else None
  return (*results, x), (x, kernel, saved, needs_dx)


def _joint_backward(norm, stride, saved, given):
  x, kernel, saved, needs_dx = saved
  dz, *_, passed = given
  if isinstance(dz, SymbolicZero):
    dz = jnp.zeros_like(saved.x)
  addend = None
  if needs_dx is not None and not isinstance(passed, SymbolicZero):
    addend = passed
  arrays, dscale, dbias = _to_norm(norm, saved, dz)
  dx_shape = NOTHING if needs_dx is None else x.shape
  dresidual_shape = _residual_shape(norm, saved)
  # dz, number 2, becomes the gradient to the residual
  in_place = {} if dresidual_shape == NOTHING else {2: 2}
  if addend is not None:
    in_place[8] = 0
  dx, dkernel, dresidual = call_kernel(
    norm.library,
    'joint_gradient',
    [dx_shape, kernel.shape, dresidual_shape],
    x,
    kernel,
    *arrays,
    _or_nothing(addend),
    stride=np.int64(stride),
    relu=norm.relu,
    in_place=in_place,
  )
  dresidual = _residual_gradient(norm, saved, dz, dresidual)
  dx = None if needs_dx is None else dx
  dvalid = jnp.zeros_like(saved.valid)
  return dx, dkernel, dscale, dbias, dvalid, dresidual


conv_batch_norm.defvjp(_joint_forward, _joint_backward, symbolic_zeros=True)
