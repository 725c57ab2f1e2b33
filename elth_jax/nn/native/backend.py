"""The backend whose convolutions and normalisations are C++ kernels."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp

from elth_jax.nn import products
from elth_jax.nn.conv_backends import ConvBackend, Convolution
from elth_jax.nn.native import calls, norms
from elth_jax.nn.native.library import Library


@dataclasses.dataclass(frozen=True, kw_only=True)
class NativeBackend(ConvBackend):
  """GCHWN, with as many examples in a group as there are lanes in a vector.

  The kernels compute in float32; other types go the way of `gchwn`.

  Attributes:
    library: the kernels.
  """

  library: Library

  def group_size(self, images):
    """The divisor of the batch that leaves the fewest lanes empty."""
    batch, lanes = images.shape[0], self.library.lanes

    def vectors(size: int) -> int:
      return batch // size * -(-size // lanes)

    divisors = [n for n in range(1, batch + 1) if batch % n == 0]
    return min(divisors, key=lambda size: (vectors(size), size))

  def defer(self, conv):
    """The convolution itself: `batch_norm` computes it."""
    if conv.depthwise or conv.x.dtype != jnp.float32:
      return super().defer(conv)
    return conv

  def batch_norm(
    self, x, scale, bias, valid, residual, relu, epsilon, shared=None
  ):
    conv = x if isinstance(x, Convolution) else None
    first = x if conv is None else conv.x
    if first.dtype != jnp.float32:
      return super().batch_norm(
        x, scale, bias, valid, residual, relu, epsilon, shared
      )
    shape = first.shape[0], first.shape[-1]
    counted = jnp.ones(shape, first.dtype)
    if valid is not None:
      counted = valid.reshape(shape).astype(first.dtype)
    counted = jax.lax.stop_gradient(counted)
    norm = norms.Norm(self.library, relu, epsilon, self.across)
    given = scale, bias, counted, residual
    if conv is None:
      z, *statistics = norms.batch_norm(norm, x, *given)
    else:
      z, *statistics, passed = norms.conv_batch_norm(
        norm, conv.stride, conv.x, conv.kernel, *given
      )
      shared = shared if shared is None else passed
    mean, variance, count = map(jax.lax.stop_gradient, statistics)
    if conv is not None and conv.bias is not None:
      mean = mean + conv.bias  # which the normalisation takes away again
    return z, mean, variance, count, shared


def native_backend(library: Library) -> NativeBackend:
  """The backend of a library's kernels."""
  return NativeBackend(
    'native', 'GCHWN', partial(_conv, library), library=library
  )


def _conv(library, x, kernel, stride):
  if x.dtype != jnp.float32:
    return products.conv(x, kernel, stride)
  return calls.conv(library, x, kernel, stride)
