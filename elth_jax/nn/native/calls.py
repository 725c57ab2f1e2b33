"""JAX functions of the C++ kernels, with their gradients.

A convolution and its two gradients are linear in each of their two arguments,
and each one's gradients are the other two; so they can be differentiated any
number of times, in reverse mode.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from elth_jax.nn.native.library import Library


@partial(jax.custom_vjp, nondiff_argnums=(0, 3))
def conv(
  library: Library, x: jax.Array, kernel: jax.Array, stride: int
) -> jax.Array:
  """A convolution.

  Args:
    library: the kernels.
    x: float32 activations (groups, channels, height, width, examples).
    kernel: float32, HWIO; an odd square, with margins of (size - 1) / 2 zeros.
    stride: of the window.
  """
  height, width = ((side - 1) // stride + 1 for side in x.shape[2:4])
  shape = (x.shape[0], kernel.shape[3], height, width, x.shape[4])
  return _call(library, 'forward', shape, x, kernel, stride=np.int64(stride))


@partial(jax.custom_vjp, nondiff_argnums=(0, 3, 4))
def _input_gradient(library, dy, kernel, sides, stride):
  """To the input of these sides; `dy` is the gradient to the output."""
  shape = (dy.shape[0], kernel.shape[2], *sides, dy.shape[4])
  return _call(
    library, 'input_gradient', shape, dy, kernel, stride=np.int64(stride)
  )


@partial(jax.custom_vjp, nondiff_argnums=(0, 3, 4))
def _kernel_gradient(library, x, dy, size, stride):
  """To a kernel of this size; `dy` is the gradient to the output."""
  shape = (size, size, x.shape[1], dy.shape[1])
  return _call(
    library, 'kernel_gradient', shape, x, dy, stride=np.int64(stride)
  )


def _conv_forward(library, x, kernel, stride):
  return conv(library, x, kernel, stride), (x, kernel)


def _conv_backward(library, stride, saved, dy):
  x, kernel = saved
  return (
    _input_gradient(library, dy, kernel, x.shape[2:4], stride),
    _kernel_gradient(library, x, dy, kernel.shape[0], stride),
  )


def _input_gradient_forward(library, dy, kernel, sides, stride):
  return _input_gradient(library, dy, kernel, sides, stride), (dy, kernel)


def _input_gradient_backward(library, sides, stride, saved, given):
  del sides
  dy, kernel = saved
  return (
    conv(library, given, kernel, stride),
    _kernel_gradient(library, given, dy, kernel.shape[0], stride),
  )


def _kernel_gradient_forward(library, x, dy, size, stride):
  return _kernel_gradient(library, x, dy, size, stride), (x, dy)


def _kernel_gradient_backward(library, size, stride, saved, given):
  del size
  x, dy = saved
  return (
    _input_gradient(library, dy, given, x.shape[2:4], stride),
    conv(library, x, given, stride),
  )


conv.defvjp(_conv_forward, _conv_backward)
_input_gradient.defvjp(_input_gradient_forward, _input_gradient_backward)
_kernel_gradient.defvjp(_kernel_gradient_forward, _kernel_gradient_backward)


@partial(jax.custom_vjp, nondiff_argnums=(0, 6, 7, 8))
def batch_norm(
  library: Library,
  x: jax.Array,
  scale: jax.Array,
  bias: jax.Array,
  weights: jax.Array,
  residual: jax.Array | None,
  relu: bool,
  epsilon: float,
  across: str | None,
) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
  """Batch normalisation in training, plus a residual, perhaps through a ReLU.

  Only the activations pass gradients back: to `x`, `scale`, `bias` and
  `residual`.

  Args:
    library: the kernels.
    x: float32 activations (groups, channels, height, width, examples).
    scale: float32 (channels,); likewise `bias`.
    bias: what is added.
    weights: float32 (groups, examples), 0 for examples that do not count.
    residual: like `x`, or `None`.
    relu: whether negative values become 0; NaN stays.
    epsilon: what is added to the variance.
    across: the mapped axis over which a batch is split, if it is.

  Returns:
    Activations; mean and biased variance by channel; how many pixels count.
  """
  args = x, scale, bias, weights, residual
  return _norm_forward(library, *args, relu, epsilon, across)[0]


def _norm_forward(
  library, x, scale, bias, weights, residual, relu, epsilon, across
):
  channels = x.shape[1]
  sums = _call(library, 'norm_sums', (2, channels), x, weights)
  count = weights.sum() * x.shape[2] * x.shape[3]
  count, (first, second) = _total(across, (count, sums))
  mean = first / count
  variance = jnp.maximum(second / count - mean**2, 0)
  inverse = lax.rsqrt(variance + epsilon)
  factor = scale * inverse
  z = _call(
    library,
    'norm_apply',
    x.shape,
    x,
    jnp.stack([factor, bias - mean * factor]),
    jnp.zeros((0,), x.dtype) if residual is None else residual,
    relu=relu,
  )
  saved = x, z, scale, weights, mean, inverse, count, residual is not None
  return (z, mean, variance, count), saved


def _norm_backward(library, relu, epsilon, across, saved, given):
  del epsilon
  x, z, scale, weights, mean, inverse, count, has_residual = saved
  dz = given[0]
  own = _call(
    library,
    'norm_gradient_sums',
    (2, x.shape[1]),
    dz,
    x,
    z,
    jnp.stack([mean, inverse]),
    relu=relu,
  )
  first, second = _total(across, own)
  factor = scale * inverse
  slope = factor * inverse * second / count
  constant = factor * first / count - mean * slope
  masked = has_residual and relu  # the residual's gradient is not `dz` itself
  dx, dresidual = _call(
    library,
    'norm_gradient',
    (x.shape, x.shape if masked else (0,)),
    dz,
    x,
    z,
    weights,
    jnp.stack([factor, constant, slope]),
    relu=relu,
  )
  if not masked:
    dresidual = dz if has_residual else None
  return dx, own[1], own[0], jnp.zeros_like(weights), dresidual


batch_norm.defvjp(_norm_forward, _norm_backward)


def _total(across: str | None, tree: Any) -> Any:
  return tree if across is None else lax.psum(tree, across)


def _call(library: Library, call: str, shapes, *args, **attributes):
  """Float32 arrays of a shape, or of several shapes."""
  single = not shapes or isinstance(shapes[0], int)
  results = [
    jax.ShapeDtypeStruct(shape, jnp.float32)
    for shape in ([shapes] if single else shapes)
  ]
  function = jax.ffi.ffi_call(
    library.target(call),
    results[0] if single else results,
    vmap_method='sequential',
  )
  return function(*args, **attributes)
