"""The layers that all families are built from, and their initialisation.

Initial values are those of the published runs: `OPEN_LTH` (hence PyTorch):
Kaiming normal kernels, biases uniform by fan-in, BN scales uniform in [0, 1);
`ONETICKET`: Xavier normal kernels, biases 0, BN scales 1. Draws are made on
the host, since compiling them costs more than training a small network.
"""

import contextlib
import dataclasses
import math
from collections.abc import Callable, Generator
from contextvars import ContextVar
from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from elth_jax.nn.conv_backends import ConvBackend, Convolution

# (generator, shape, fan_in) -> float32 array
Draw = Callable[[np.random.Generator, tuple[int, ...], int], np.ndarray]


def kaiming_normal(generator, shape, fan_in):
  """Normal with standard deviation sqrt(2 / fan_in), not truncated."""
  values = generator.standard_normal(shape, np.float32)
  return values * np.float32(math.sqrt(2 / fan_in))


def xavier_normal(generator, shape, fan_in):
  """Normal with standard deviation sqrt(2 / (fan_in + fan_out))."""
  fan_out = math.prod(shape) // shape[-2]
  values = generator.standard_normal(shape, np.float32)
  return values * np.float32(math.sqrt(2 / (fan_in + fan_out)))


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


def ones(generator, shape, fan_in):
  """Ones."""
  del generator, fan_in
  return np.ones(shape, np.float32)


@dataclasses.dataclass(frozen=True)
class Initialization:
  """How each kind of parameter is drawn."""

  kernel: Draw
  bias: Draw
  norm_scale: Draw
  norm_bias: Draw = zeros


OPEN_LTH = Initialization(kaiming_normal, uniform_by_fan_in, unit_uniform)
ONETICKET = Initialization(xavier_normal, zeros, ones)


@dataclasses.dataclass(frozen=True)
class LayerFactory:
  """Makes the layers of one network: all in one backend, drawn in one way."""

  backend: ConvBackend
  initial: Initialization = OPEN_LTH

  def conv(self, features: int, size: int, stride: int = 1, **options):
    """A square convolution; `bias`, `depthwise` and `name` are options."""
    return Conv(self, features, size, stride, **options)

  def norm(self, name: str):
    """A batch normalisation."""
    return BatchNorm(self, name=name)

  def dense(self, features: int, name: str):
    """A linear layer with bias."""
    return Dense(self, features, name=name)


# parameter -> how it is drawn, and its fan-in; while `recorded_draws` runs
_found: ContextVar[dict[str, tuple[Draw, int]] | None]
_found = ContextVar('_found', default=None)


@contextlib.contextmanager
def recorded_draws() -> Generator[dict[str, tuple[Draw, int]]]:
  """Fills a dictionary with the parameters of the layers called meanwhile.

  Their names and how each is drawn, with its fan-in.
  """
  found: dict[str, tuple[Draw, int]] = {}
  token = _found.set(found)
  try:
    yield found
  finally:
    _found.reset(token)


class Layer(nn.Module):
  """A layer whose parameters are drawn on the host, as its kit says.

  Attributes:
    kit: the backend and the initialisation of the network.
    kinds: parameter name -> the field of `Initialization` that draws it.
  """

  kit: LayerFactory
  kinds: ClassVar[dict[str, str]] = {'kernel': 'kernel', 'bias': 'bias'}

  def drawn(self, name: str, shape: tuple[int, ...], fan_in: int = 1) -> Any:
    """The parameter `name`; `init` draws it as its kind says."""
    if (found := _found.get()) is not None:
      found['/'.join((*self.path, name))] = self.draw(name), fan_in

    def initialize(key):
      def on_host(words):
        generator = np.random.default_rng(np.asarray(words))
        return self.draw(name)(generator, shape, fan_in)

      result = jax.ShapeDtypeStruct(shape, jnp.float32)
      return jax.pure_callback(
        on_host, result, jax.random.key_data(key), vmap_method='sequential'
      )

    return self.param(name, initialize)

  def draw(self, name: str) -> Draw:
    """How the parameter `name` is drawn."""
    return getattr(self.kit.initial, self.kinds[name])


class Conv(Layer):
  """A square convolution, zero-padded alike on all sides.

  Attributes:
    features: output channels; the input's if depthwise.
    size: of the window, odd.
    stride: of the window.
    bias: whether it has one.
    depthwise: whether each channel is convolved alone.
    before_norm: whether a normalisation takes what it gives, and nothing else
      does: then the backend may leave the convolution to that.
  """

  features: int
  size: int
  stride: int = 1
  bias: bool = False
  depthwise: bool = False
  before_norm: bool = False

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array | Convolution:
    backend = self.kit.backend
    channels = 1 if self.depthwise else x.shape[backend.axes.index('C')]
    shape = (self.size, self.size, channels, self.features)
    fan_in = math.prod(shape[:-1])
    kernel = self.drawn('kernel', shape, fan_in)
    kernel = kernel.astype(x.dtype)
    bias = None
    if self.bias:
      bias = self.drawn('bias', (self.features,), fan_in).astype(x.dtype)
    conv = Convolution(x, kernel, self.stride, bias, self.depthwise)
    return backend.defer(conv) if self.before_norm else backend.convolve(conv)


class Dense(Layer):
  """A linear layer with bias on (batch, features)."""

  features: int

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    fan_in = x.shape[-1]
    kernel = self.drawn('kernel', (fan_in, self.features), fan_in)
    bias = self.drawn('bias', (self.features,), fan_in)
    return x @ kernel.astype(x.dtype) + bias.astype(x.dtype)


class BatchNorm(Layer):
  """Batch normalisation as PyTorch computes it.

  eps 1e-5; running averages move by 0.1 a step, the running variance is the
  unbiased one; evaluation uses running statistics. Examples of weight 0 (the
  padding of a partial batch) do not count. Computes in float32, and returns
  what it was given. A residual and a ReLU that follow are part of it, since a
  backend may compute all three in one pass over memory. So is a convolution
  before it, of which `x` may be a description, and the sum of gradients to that
  one's input, if others share it.
  """

  kinds = {'scale': 'norm_scale', 'bias': 'norm_bias'}
  momentum: float = 0.1
  epsilon: float = 1e-5

  @nn.compact
  def __call__(
    self,
    x: jax.Array | Convolution,
    valid: jax.Array | None,
    train: bool,
    relu: bool = False,
    residual: jax.Array | None = None,
    shared: jax.Array | None = None,
  ) -> Any:
    """Activations; with `shared`, also what others use in its place."""
    backend = self.kit.backend
    if isinstance(x, Convolution):
      shape = (x.kernel.shape[-1],)
    else:
      shape = (x.shape[backend.axes.index('C')],)
    scale = self.drawn('scale', shape)
    bias = self.drawn('bias', shape)
    mean_avg = self.variable('batch_stats', 'mean', jnp.zeros, shape)
    var_avg = self.variable('batch_stats', 'var', jnp.ones, shape)
    if not train:
      factor = scale * lax.rsqrt(var_avg.value + self.epsilon)
      shift = bias - mean_avg.value * factor
      y = backend.convolve(x)
      z = backend.finish(y, factor, shift, residual, relu)
      return z if shared is None else (z, shared)
    z, mean, variance, count, passed = backend.batch_norm(
      x, scale, bias, valid, residual, relu, self.epsilon, shared
    )
    if not self.is_initializing():
      unbiased = variance * count / jnp.maximum(count - 1, 1)
      mean_avg.value += self.momentum * (mean - mean_avg.value)
      var_avg.value += self.momentum * (unbiased - var_avg.value)
    return z if shared is None else (z, passed)


class Stage(nn.Module):
  """`depth` units in a row, called block0, block1, ...

  Attributes:
    block: (number, name) -> the module of one unit, taking (x, valid,
      train).
    depth: how many there are.
  """

  block: Callable[[int, str], nn.Module]
  depth: int

  @nn.compact
  def __call__(self, x, valid=None, train=False):
    for number in range(self.depth):
      x = self.block(number, f'block{number}')(x, valid, train)
    return x


class LinearBlock(nn.Module):
  """A fully-connected layer and ReLU, as a unit."""

  features: int
  kit: LayerFactory

  @nn.compact
  def __call__(self, x, valid=None, train=False):
    del valid, train
    return nn.relu(self.kit.dense(self.features, name='fc')(x))
