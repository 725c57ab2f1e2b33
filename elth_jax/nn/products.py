"""Convolutions as products of matrices, for CPU.

Rows of the matrices run over pixels and examples, so that they are long and
contiguous. Narrow layers multiply patches of 9 C rows; wider ones shift the
input along columns only and add what comes out along rows, which moves a third
of the memory. Both gradients are such products too.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

PATCH_BYTES = 2**20  # rows of patches made at once
WIDE = 16  # channels from which products by columns are worth their additions


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def conv(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
  """A convolution, one group of examples after the other.

  Args:
    x: activations (groups, channels, height, width, examples).
    kernel: HWIO; an odd square, with zero padding of (size - 1) / 2.
    stride: of the window.
  """
  size = _output_size(x[0], stride)
  shape = (x.shape[0], kernel.shape[-1], *size, x.shape[-1])

  def one_group(i, out):
    part = _conv_chwn(_at(x, i), kernel, stride)
    return lax.dynamic_update_index_in_dim(out, part, i, 0)

  return _repeat(len(x), one_group, jnp.zeros(shape, x.dtype))


def _forward(x, kernel, stride):
  return conv(x, kernel, stride), (x, kernel)


def _backward(stride, saved, grad):
  x, kernel = saved

  def one_group(i, carry):
    input_grads, kernel_grad = carry
    own, coming = _at(x, i), _at(grad, i)
    part = _input_grad(own, kernel, stride, coming)
    return (
      lax.dynamic_update_index_in_dim(input_grads, part, i, 0),
      kernel_grad + _kernel_grad(own, kernel, stride, coming),
    )

  zeros = jnp.zeros_like(x), jnp.zeros_like(kernel)
  return _repeat(len(x), one_group, zeros)


conv.defvjp(_forward, _backward)


def _at(x, i):
  return lax.dynamic_index_in_dim(x, i, 0, keepdims=False)


def _conv_chwn(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
  """A convolution as products of matrices whose rows run over pixels."""
  if _by_columns(kernel, stride):
    return _conv_by_columns(x, kernel)
  return _conv_by_patches(x, kernel, stride)


def _by_columns(kernel: jax.Array, stride: int) -> bool:
  return stride == 1 and min(kernel.shape[2:]) >= WIDE


def _conv_by_columns(x, kernel):
  """Stride 1: one product for all places of the window.

  The input, shifted along columns, has 3 C rows; the product's 3 C' rows are
  shifted along image rows and added. Patches would have 9 C rows.
  """
  size, channels, features = kernel.shape[0], *kernel.shape[2:]
  pad = (size - 1) // 2
  _, height, width, batch = x.shape
  padded = jnp.pad(x, ((0, 0), (0, 0), (pad, pad), (0, 0))) if pad else x
  shifted = jnp.concatenate(
    [padded[:, :, j : j + width] for j in range(size)]
  ).reshape(size * channels, -1)
  weights = kernel.transpose(0, 3, 1, 2).reshape(size * features, -1)
  parts = (weights @ shifted).reshape(size, features, height, width, batch)
  return sum(
    (_shift_rows(parts[i], i - pad) for i in range(size) if i != pad),
    parts[pad],
  )


def _shift_rows(x, by):
  """Row h of the result is row h + `by` of `x`, or zeros."""
  still = (0, 0, 0)
  margins = (still, (-by, by, 0), still, still)
  return lax.pad(x, jnp.zeros((), x.dtype), margins)


def _conv_by_patches(x, kernel, stride):
  """Any stride: products of a (9 C, pixels) matrix of patches.

  The matrix is made a few output rows at a time, so that it stays in cache.
  """
  rows = _rows_at_once(x, kernel, stride)
  weights = kernel.reshape(-1, kernel.shape[-1]).T
  padded, (height, width) = _pad(x, kernel), _output_size(x, stride)
  shape = (kernel.shape[-1], rows, width, x.shape[-1])

  def some_rows(i, out):
    patches = _patches(padded, i * rows, rows, width, kernel, stride)
    part = (weights @ patches).reshape(shape)
    return lax.dynamic_update_slice_in_dim(out, part, i * rows, 1)

  out = jnp.zeros((shape[0], height, width, shape[3]), x.dtype)
  return _repeat(height // rows, some_rows, out)


def _repeat(times, function, value):
  """`fori_loop`, without a loop where there is one round."""
  if times == 1:
    return function(0, value)
  return lax.fori_loop(0, times, function, value)


def _kernel_grad(x, kernel, stride, grad):
  """The gradient to the kernel: patches times `grad`, summed over rows."""
  rows = _rows_at_once(x, kernel, stride)
  padded, (height, width) = _pad(x, kernel), _output_size(x, stride)
  channels = kernel.shape[-1]

  def some_rows(i, total):
    patches = _patches(padded, i * rows, rows, width, kernel, stride)
    part = lax.dynamic_slice_in_dim(grad, i * rows, rows, 1)
    return total + patches @ part.reshape(channels, -1).T

  zeros = jnp.zeros((kernel[..., 0].size, channels), x.dtype)
  return _repeat(height // rows, some_rows, zeros).reshape(kernel.shape)


def _input_grad(x, kernel, stride, grad):
  """By columns, with the flipped kernel; else the patches' own gradient."""
  if _by_columns(kernel, stride):
    return _conv_by_columns(grad, kernel[::-1, ::-1].swapaxes(2, 3))
  height, width = _output_size(x, stride)
  weights = kernel.reshape(-1, kernel.shape[-1])

  def patches(x):
    return _patches(_pad(x, kernel), 0, height, width, kernel, stride)

  (to_input,) = jax.linear_transpose(patches, x)(
    weights @ grad.reshape(grad.shape[0], -1)
  )
  return to_input


def _pad(x: jax.Array, kernel: jax.Array) -> jax.Array:
  pad = (kernel.shape[0] - 1) // 2
  return jnp.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))


def _output_size(x: jax.Array, stride: int) -> tuple[int, int]:
  return (x.shape[1] - 1) // stride + 1, (x.shape[2] - 1) // stride + 1


def _patches(padded, row, rows, width, kernel, stride):
  """Patches of `rows` output rows: (size^2 channels, rows * width * batch)."""
  size = kernel.shape[0]
  span = stride * (rows - 1) + 1
  block = padded
  if padded.shape[1] != span + size - 1:
    block = lax.dynamic_slice_in_dim(
      padded, row * stride, span + size - 1, axis=1
    )
  reach = stride * (width - 1) + 1
  return jnp.concatenate(
    [
      block[:, i : i + span : stride, j : j + reach : stride].reshape(
        padded.shape[0], -1
      )
      for i in range(size)
      for j in range(size)
    ]
  )


def _rows_at_once(x: jax.Array, kernel: jax.Array, stride: int) -> int:
  """The largest divisor of the output height whose patches fit the caches."""
  height, width = _output_size(x, stride)
  row = kernel[..., 0].size * width * x.shape[-1] * x.dtype.itemsize
  fitting = [
    rows
    for rows in range(1, height + 1)
    if height % rows == 0 and rows * row <= PATCH_BYTES
  ]
  return max(fitting, default=1)
