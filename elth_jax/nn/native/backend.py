"""The backend whose convolutions and normalisations are C++ kernels."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp

from elth_jax.nn import products
from elth_jax.nn.conv_backends import ConvBackend
from elth_jax.nn.native import calls
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

  def batch_norm(self, x, scale, bias, valid, residual, relu, epsilon):
    if x.dtype != jnp.float32:
      return super().batch_norm(x, scale, bias, valid, residual, relu, epsilon)
    shape = x.shape[0], x.shape[-1]
    counted = jnp.ones(shape, x.dtype)
    if valid is not None:
      counted = valid.reshape(shape).astype(x.dtype)
    z, *statistics = calls.batch_norm(
      self.library,
      x,
      scale,
      bias,
      jax.lax.stop_gradient(counted),
      residual,
      relu,
      epsilon,
      self.across,
    )
    mean, variance, count = map(jax.lax.stop_gradient, statistics)
    return z, mean, variance, count


def native_backend(library: Library) -> NativeBackend:
  """The backend of a library's kernels."""
  return NativeBackend(
    'native', 'GCHWN', partial(_conv, library), library=library
  )


def _conv(library, x, kernel, stride):
  if x.dtype != jnp.float32:
    return products.conv(x, kernel, stride)
  return calls.conv(library, x, kernel, stride)
