"""The layers that all families are built from, and their initialisation.

Initial values are those of the published runs (open_lth, hence PyTorch):
Kaiming normal kernels, biases uniform by fan-in, BN scales uniform in [0, 1).
Each layer class lists how its parameters are drawn, in `initial`; draws are
made on the host, since compiling them costs more than training a small net.
"""

import math
from collections.abc import Callable
from typing import ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from elth_jax.families.forms import Form

# (generator, shape, fan_in) -> float32 array
Draw = Callable[[np.random.Generator, tuple[int, ...], int], np.ndarray]


def kaiming_normal(generator, shape, fan_in):
  """Normal with standard deviation sqrt(2 / fan_in), not truncated."""
  values = generator.standard_normal(shape, np.float32)
  return values * np.float32(math.sqrt(2 / fan_in))


def uniform_by_fan_in(generator, shape, fan_in):
  """Uniform in +-1/sqrt(fan_in): PyTorch's default for biases."""
  bound = 1 / math.sqrt(fan_in)
  return generator.uniform(-bound, bound, shape).astype(np.float32)


def unit_uniform(generator, shape, fan_in):
  """Uniform in [0, 1): open_lth's BN scales."""
  del fan_in
  return generator.random(shape, np.float32)


def zeros(generator, shape, fan_in):
  """Zeros."""
  del generator, fan_in
  return np.zeros(shape, np.float32)


class Layer(nn.Module):
  """A layer whose class says how each parameter is drawn.

  Attributes:
    initial: parameter name -> how it is drawn.
  """

  initial: ClassVar[dict[str, Draw]] = {}

  def drawn(self, name: str, shape: tuple[int, ...], fan_in: int = 1):
    """The parameter `name`; `init` draws it as `initial` says."""

    def initialize(key):
      def draw(words):
        generator = np.random.default_rng(np.asarray(words))
        return self.initial[name](generator, shape, fan_in)

      result = jax.ShapeDtypeStruct(shape, jnp.float32)
      return jax.pure_callback(
        draw, result, jax.random.key_data(key), vmap_method='sequential'
      )

    return self.param(name, initialize)


class Conv(Layer):
  """A square convolution without bias, zero-padded alike on all sides."""

  features: int
  size: int
  form: Form
  stride: int = 1
  initial = {'kernel': kaiming_normal}

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    channels = x.shape[self.form.axes.index('C')]
    shape = (self.size, self.size, channels, self.features)
    kernel = self.drawn('kernel', shape, math.prod(shape[:-1]))
    return self.form.conv(x, kernel, self.stride)


class Dense(Layer):
  """A linear layer with bias on (batch, features)."""

  features: int
  initial = {'kernel': kaiming_normal, 'bias': uniform_by_fan_in}

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    fan_in = x.shape[-1]
    kernel = self.drawn('kernel', (fan_in, self.features), fan_in)
    return x @ kernel + self.drawn('bias', (self.features,), fan_in)


class BatchNorm(Layer):
  """Batch normalisation as PyTorch computes it.

  eps 1e-5; running averages move by 0.1 a step, the running variance is the
  unbiased one; evaluation uses running statistics. Examples of weight 0 (the
  padding of a partial batch) do not count.
  """

  form: Form
  momentum: float = 0.1
  epsilon: float = 1e-5
  initial = {'scale': unit_uniform, 'bias': zeros}

  @nn.compact
  def __call__(
    self, x: jax.Array, weights: jax.Array | None, train: bool
  ) -> jax.Array:
    form = self.form
    shape = (x.shape[form.axes.index('C')],)
    scale = self.drawn('scale', shape)
    bias = self.drawn('bias', shape)
    mean_avg = self.variable('batch_stats', 'mean', jnp.zeros, shape)
    var_avg = self.variable('batch_stats', 'var', jnp.ones, shape)
    if train:
      count = x.size / shape[0]
      weighted = x
      if weights is not None:
        count = count / weights.size * weights.sum()
        weighted = x * form.along('N', weights)
      mean = form.sum_channels(weighted) / count
      variance = form.sum_channels(weighted * x) / count - mean**2
      variance = jnp.maximum(variance, 0)
      if not self.is_initializing():
        unbiased = variance * count / jnp.maximum(count - 1, 1)
        mean_avg.value += self.momentum * (mean - mean_avg.value)
        var_avg.value += self.momentum * (unbiased - var_avg.value)
    else:
      mean, variance = mean_avg.value, var_avg.value
    factor = scale * lax.rsqrt(variance + self.epsilon)
    return x * form.along('C', factor) + form.along('C', bias - mean * factor)
