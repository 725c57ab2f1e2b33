"""How convolutions are computed, and in which array layout, on each backend.

A form fixes the layout of activations inside a network and the functions that
read it. Kernels are HWIO in every form, and images enter as NHWC.

On CPU, XLA's own convolution is many times slower inside a loop than alone,
while products of patches are fast anywhere; with the batch as the minor axis
every slice, sum and normalisation runs over long contiguous rows
(`benchmarks/forms.py` measures this).
"""

import dataclasses
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

PATCH_BYTES = 4 * 2**20  # rows of patches made at once; about a core's caches


@dataclasses.dataclass(frozen=True)
class Form:
  """One layout of activations, with the operations that depend on it.

  Attributes:
    name: `nhwc` or `chwn`.
    axes: the axes of activations in this layout, as letters.
    conv: (activations, HWIO kernel, stride) -> activations; odd square
      kernels, zero padding of (size - 1) / 2 on all sides.
  """

  name: str
  axes: str
  conv: Callable[[jax.Array, jax.Array, int], jax.Array]

  def enter(self, images: jax.Array) -> jax.Array:
    """NHWC images in this form's layout."""
    return jnp.transpose(images, ['NHWC'.index(axis) for axis in self.axes])

  def depthwise(
    self, x: jax.Array, kernel: jax.Array, stride: int
  ) -> jax.Array:
    """Each channel convolved alone; kernel (size, size, 1, channels).

    A sum over the window's places, each a product along channels.
    """
    shape = [1] * 4
    shape[self.axes.index('C')] = -1
    return sum(
      (
        part * kernel[i, j, 0].reshape(shape)
        for i, j, part in self._windows(x, kernel.shape[0], stride, 0.0)
      ),
      jnp.zeros((), x.dtype),
    )

  def max_pool(self, x: jax.Array, size: int = 2, pad: int = 0) -> jax.Array:
    """The largest of windows of `size`, two pixels apart.

    Of equal values the first gets the gradient, as in PyTorch; nothing here
    scatters, so gradients are deterministic on every backend. Without padding
    an odd last row or column is left out; an image of one pixel stays.
    """
    if not pad and min(self._sides(x)) < size:
      return x
    best = None
    for _, _, part in self._windows(x, size, 2, -jnp.inf, pad):
      best = part if best is None else jnp.where(part > best, part, best)
    assert best is not None
    return best

  def _sides(self, x: jax.Array) -> tuple[int, int]:
    return x.shape[self.axes.index('H')], x.shape[self.axes.index('W')]

  def _windows(self, x, size, stride, filling, pad=None):
    """(row, column, pixels) for each place of a window, over all windows."""
    pad = (size - 1) // 2 if pad is None else pad
    rows, columns = self.axes.index('H'), self.axes.index('W')
    margins = [(0, 0)] * 4
    margins[rows] = margins[columns] = (pad, pad)
    padded = jnp.pad(x, margins, constant_values=filling) if pad else x
    height, width = ((s + 2 * pad - size) // stride for s in self._sides(x))
    for i in range(size):
      for j in range(size):
        part = lax.slice_in_dim(
          padded, i, i + stride * height + 1, stride, rows
        )
        yield (
          i,
          j,
          lax.slice_in_dim(part, j, j + stride * width + 1, stride, columns),
        )

  def pool(self, x: jax.Array) -> jax.Array:
    """Global average pool: activations to (batch, channels)."""
    pooled = x.mean((self.axes.index('H'), self.axes.index('W')))
    return pooled if self.axes.index('N') < self.axes.index('C') else pooled.T

  def along(self, axis: str, vector: jax.Array) -> jax.Array:
    """A vector along one axis, shaped to broadcast over activations."""
    return vector.reshape([-1 if a == axis else 1 for a in self.axes])

  def sum_channels(self, x: jax.Array) -> jax.Array:
    """The sum over everything but channels: shape (channels,)."""
    return x.sum([i for i, axis in enumerate(self.axes) if axis != 'C'])


def _conv_nhwc(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
  pad = (kernel.shape[0] - 1) // 2
  return lax.conv_general_dilated(
    x,
    kernel,
    (stride, stride),
    ((pad, pad), (pad, pad)),
    dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
  )


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def _conv_chwn(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
  """A convolution as products of a (9 C, pixels) matrix of patches.

  The matrix is made a few output rows at a time, so that it stays in cache.
  """
  rows = _rows_at_once(x, kernel, stride)
  weights = kernel.reshape(-1, kernel.shape[-1]).T
  padded, (height, width) = _pad(x, kernel), _output_size(x, stride)
  shape = (kernel.shape[-1], rows, width, x.shape[-1])
  if rows == height:
    patches = _patches(padded, 0, rows, width, kernel, stride)
    return (weights @ patches).reshape(shape)

  def some_rows(i, out):
    patches = _patches(padded, i * rows, rows, width, kernel, stride)
    part = (weights @ patches).reshape(shape)
    return lax.dynamic_update_slice_in_dim(out, part, i * rows, 1)

  out = jnp.zeros((shape[0], height, width, shape[3]), x.dtype)
  return lax.fori_loop(0, height // rows, some_rows, out)


def _conv_chwn_forward(x, kernel, stride):
  return _conv_chwn(x, kernel, stride), (x, kernel)


def _conv_chwn_backward(stride, saved, grad):
  x, kernel = saved
  rows = _rows_at_once(x, kernel, stride)
  padded, (height, width) = _pad(x, kernel), _output_size(x, stride)
  channels = kernel.shape[-1]

  def some_rows(i, total):
    patches = _patches(padded, i * rows, rows, width, kernel, stride)
    part = lax.dynamic_slice_in_dim(grad, i * rows, rows, 1)
    return total + patches @ part.reshape(channels, -1).T

  kernel_grad = jnp.zeros((kernel[..., 0].size, channels), x.dtype)
  if rows == height:
    kernel_grad = some_rows(0, kernel_grad)
  else:
    kernel_grad = lax.fori_loop(0, height // rows, some_rows, kernel_grad)
  return _input_grad(x, kernel, stride, grad), kernel_grad.reshape(kernel.shape)


def _input_grad(x, kernel, stride, grad):
  """The gradient to the input: that of the patches, at kernel x `grad`."""
  height, width = _output_size(x, stride)
  weights = kernel.reshape(-1, kernel.shape[-1])

  def patches(x):
    return _patches(_pad(x, kernel), 0, height, width, kernel, stride)

  (to_input,) = jax.linear_transpose(patches, x)(
    weights @ grad.reshape(grad.shape[0], -1)
  )
  return to_input


_conv_chwn.defvjp(_conv_chwn_forward, _conv_chwn_backward)


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


NHWC = Form('nhwc', 'NHWC', _conv_nhwc)
CHWN = Form('chwn', 'CHWN', _conv_chwn)


def default_form() -> Form:
  """The fastest form measured for the backend that JAX uses."""
  return CHWN if jax.default_backend() == 'cpu' else NHWC
