"""How convolutions are computed, and in which array layout, on each backend.

A backend fixes the layout of activations inside a network and the functions
that read it. Kernels are HWIO in every backend, and images enter as NHWC.

On CPU, XLA's own convolution is many times slower inside a loop than alone,
while products of matrices are fast anywhere; with examples as the minor axis
every slice, sum and normalisation runs over long contiguous rows, and a
convolution takes a few examples at a time, so that what it makes stays in cache
(`benchmarks/conv_backends.py` measures this).
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from elth_jax.nn import products
from elth_jax.nn.each import conv_of_each

EXAMPLES = 'examples'  # the mapped axis over which a batch may be split
GROUP_PIXELS = 2**14  # of the images that are convolved at once


@dataclasses.dataclass(frozen=True)
class Convolution:
  """A convolution that a normalisation follows.

  Attributes:
    x: activations.
    kernel: HWIO.
    stride: of the window.
    bias: by output channel, or `None`.
    depthwise: whether each channel is convolved alone.
  """

  x: jax.Array
  kernel: jax.Array
  stride: int
  bias: jax.Array | None
  depthwise: bool


@dataclasses.dataclass(frozen=True)
class ConvBackend:
  """One layout of activations, with the operations that depend on it.

  Attributes:
    name: `nhwc`, `nhwc_each`, `nhwc_products`, `gchwn` or `native`.
    axes: the axes of activations in this layout, as letters; G counts groups
      of examples.
    conv: (activations, HWIO kernel, stride) -> activations; odd square
      kernels, zero padding of (size - 1) / 2 on all sides.
    across: the mapped axis over which a batch is split, if it is.
  """

  name: str
  axes: str
  conv: Callable[[jax.Array, jax.Array, int], jax.Array]
  across: str | None = None

  def enter(self, images: jax.Array) -> jax.Array:
    """NHWC images in this backend's layout."""
    axes = 'NHWC'
    if 'G' in self.axes:
      size = self.group_size(images)
      images, axes = images.reshape(-1, size, *images.shape[1:]), 'GNHWC'
    return jnp.transpose(images, [axes.index(axis) for axis in self.axes])

  def group_size(self, images: jax.Array) -> int:
    """Examples in a group: a divisor of the batch, few pixels in all."""
    batch, pixels = images.shape[0], images.shape[1] * images.shape[2]
    most = max(GROUP_PIXELS // pixels, 1)
    return max(n for n in range(1, min(most, batch) + 1) if batch % n == 0)

  def leave(self, x: jax.Array) -> jax.Array:
    """The inverse of `enter`: (batch, ...), further axes as in NHWC."""
    axes = 'GNHWC' if 'G' in self.axes else 'NHWC'
    x = jnp.transpose(x, [self.axes.index(axis) for axis in axes])
    return x.reshape(-1, *x.shape[2:]) if 'G' in axes else x

  def convolve(self, conv: Convolution | jax.Array) -> jax.Array:
    """What it gives; activations stay as they are."""
    if not isinstance(conv, Convolution):
      return conv
    function = self.depthwise if conv.depthwise else self.conv
    x = function(conv.x, conv.kernel, conv.stride)
    if conv.bias is None:
      return x
    return x + self.along('C', conv.bias, x)

  def defer(self, conv: Convolution) -> jax.Array | Convolution:
    """What `batch_norm` gets of it.

    Its outputs; the convolution itself where a backend computes both at once.
    """
    return self.convolve(conv)

  def depthwise(
    self, x: jax.Array, kernel: jax.Array, stride: int
  ) -> jax.Array:
    """Each channel convolved alone; kernel (size, size, 1, channels).

    A sum over the window's places, each a product along channels.
    """
    shape = [1] * len(self.axes)
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
    windows = self._windows(x, size, 2, -jnp.inf, pad)
    return functools.reduce(
      lambda best, part: jnp.where(part > best, part, best),
      (part for _, _, part in windows),
    )

  def _sides(self, x: jax.Array) -> tuple[int, int]:
    return x.shape[self.axes.index('H')], x.shape[self.axes.index('W')]

  def _windows(self, x, size, stride, filling, pad=None):
    """(row, column, pixels) for each place of a window, over all windows."""
    pad = (size - 1) // 2 if pad is None else pad
    rows, columns = self.axes.index('H'), self.axes.index('W')
    margins = [(0, 0)] * len(self.axes)
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

  def batch_norm(
    self,
    x: jax.Array | Convolution,
    scale: jax.Array,
    bias: jax.Array,
    valid: jax.Array | None,
    residual: jax.Array | None,
    relu: bool,
    epsilon: float,
    shared: jax.Array | None = None,
  ) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array, jax.Array | None]:
    """Normalises by the batch's own statistics, then `finish`es.

    Args:
      x: activations, or the convolution that gives them; computed in float32
        or wider.
      scale: (channels,), what normalised activations are multiplied by.
      bias: (channels,), what is added to them.
      valid: (batch,), 0 for examples that do not count; `None` if all do.
      residual: activations to add, or `None`.
      relu: whether negative values become 0.
      epsilon: what is added to the variance.
      shared: the input of the convolution before, if others use it too.

    Returns:
      Activations; mean and biased variance by channel; how many pixels count;
      what others are to use as `shared`, so that a backend may add up the
      gradients to it on the way.
    """
    x = self.convolve(x)
    wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    count, weighted = wide.size / scale.size, wide
    if valid is not None:
      count = count / valid.size * valid.sum()
      weighted = wide * self.along('N', valid, wide)
    sums = self.sum_channels(weighted), self.sum_channels(weighted * wide)
    count, (first, second) = total_over(self.across, (jnp.asarray(count), sums))
    mean = first / count
    variance = second / count - mean**2
    variance = jnp.maximum(variance, 0)
    factor = scale * lax.rsqrt(variance + epsilon)
    shift = bias - mean * factor
    z = self.finish(x, factor, shift, residual, relu)
    return z, mean, variance, count, shared

  def finish(
    self,
    x: jax.Array,
    factor: jax.Array,
    shift: jax.Array,
    residual: jax.Array | None,
    relu: bool,
  ) -> jax.Array:
    """x factor + shift by channel, plus a residual, perhaps through a ReLU."""
    wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    wide = wide * self.along('C', factor, wide) + self.along('C', shift, wide)
    z = wide.astype(x.dtype)
    if residual is not None:
      z = residual + z
    return jax.nn.relu(z) if relu else z

  def pool(self, x: jax.Array) -> jax.Array:
    """Global average pool: activations to (batch, channels)."""
    sides = self.axes.index('H'), self.axes.index('W')
    return self.leave(x.mean(sides, keepdims=True))[:, 0, 0]

  def along(self, axis: str, vector: jax.Array, like: jax.Array) -> jax.Array:
    """A vector along channels or examples, shaped to broadcast over `like`."""
    axes = 'GN' if axis == 'N' else axis
    return vector.reshape(
      [
        n if a in axes else 1
        for a, n in zip(self.axes, like.shape, strict=True)
      ]
    )

  def sum_channels(self, x: jax.Array) -> jax.Array:
    """The sum over everything but channels: shape (channels,)."""
    return x.sum([i for i, axis in enumerate(self.axes) if axis != 'C'])


def total_over(axis: str | None, tree: Any) -> Any:
  """Sums over a mapped axis; the tree itself if there is none."""
  return tree if axis is None else lax.psum(tree, axis)


def _conv_nhwc_products(x, kernel, stride):
  """A product of (pixels, 9 C) patches with the kernel.

  With several tickets on a device it becomes one batched product, which runs on
  a GPU's tensor cores; XLA turns a batch of convolutions into a grouped one,
  which does not.
  """
  size, pad = kernel.shape[0], (kernel.shape[0] - 1) // 2
  padded = jnp.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
  height, width = ((s - 1) // stride for s in x.shape[1:3])

  def at(i, j):
    rows = lax.slice_in_dim(padded, i, i + stride * height + 1, stride, 1)
    return lax.slice_in_dim(rows, j, j + stride * width + 1, stride, 2)

  places = [at(i, j) for i in range(size) for j in range(size)]
  patches = jnp.concatenate(places, -1)
  return patches @ kernel.reshape(-1, kernel.shape[-1])


def _conv_nhwc(
  x: jax.Array, kernel: jax.Array, stride: int, groups: int = 1
) -> jax.Array:
  pad = (kernel.shape[0] - 1) // 2
  return lax.conv_general_dilated(
    x,
    kernel,
    (stride, stride),
    ((pad, pad), (pad, pad)),
    dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
    feature_group_count=groups,
  )


@dataclasses.dataclass(frozen=True)
class ByPrimitives(ConvBackend):
  """Every convolution is one of XLA's, so that multiply-adds can be counted."""

  def depthwise(self, x, kernel, stride):
    return _conv_nhwc(x, kernel, stride, groups=kernel.shape[-1])


NHWC = ConvBackend('nhwc', 'NHWC', _conv_nhwc)
COUNTED = ByPrimitives('nhwc', 'NHWC', _conv_nhwc)
NHWC_EACH = ConvBackend('nhwc_each', 'NHWC', conv_of_each(_conv_nhwc))
NHWC_PRODUCTS = ConvBackend('nhwc_products', 'NHWC', _conv_nhwc_products)
GCHWN = ConvBackend('gchwn', 'GCHWN', products.conv)


CONV_BACKENDS = {
  backend.name: backend for backend in (NHWC, NHWC_EACH, NHWC_PRODUCTS, GCHWN)
}
