"""Architectures: one network of a family in plain values."""

import dataclasses
import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from elth_jax.families import trainable
from elth_jax.families.family import FAMILIES, Family, kept_by_network
from elth_jax.families.from_nnx import checked
from elth_jax.limits import check_argument
from elth_jax.names import NetworkName
from elth_jax.nn import conv_backends, layers
from elth_jax.nn.conv_backends import ConvBackend
from elth_jax.nn.default_backend import Native, default_backend
from elth_jax.nn.forward_work import Work, forward_work
from elth_jax.randomness import generator
from elth_jax.trees import (
  PyTree,
  check_like,
  flatten,
  map_named,
  named_leaves,
)

LARGEST = 2**20  # pixels a side, classes, channels


@dataclasses.dataclass(frozen=True)
class Architecture:
  """One network in plain values; hashable, and JSON in a ticket.

  Attributes:
    name: family and depth number, e.g. `resnet20`, `mlp3` or `vgg13-3`.
    input_shape: (height, width, channels) of an image.
    classes: the number of classes.
    width: channels of the first stage, or units of a hidden layer.

  Raises:
    ValueError: if family or depth are unknown, or a number is not positive.
  """

  name: str
  input_shape: tuple[int, int, int]
  classes: int
  width: int

  def __post_init__(self):
    shape = self.input_shape
    if not isinstance(shape, tuple) or len(shape) != 3:
      raise ValueError(
        f'{self.name}: input_shape is {shape!r:.80}; give (height, width, '
        'channels)'
      )
    sizes = (*self.input_shape, self.classes, self.width)
    if not self.depths or not all(
      type(n) is int and 0 < n <= LARGEST for n in sizes
    ):
      raise ValueError(
        f'{self}: sizes must be positive whole numbers, at most {LARGEST}'
      )

  @property
  def family(self) -> Family:
    return _split_name(self.name)[0]

  @property
  def numbers(self) -> tuple[int, ...]:
    """The numbers in the name: (20,) for `resnet20`."""
    return _split_name(self.name)[1]

  @property
  def depths(self) -> dict[str, int]:
    """The number of units in each stage, unit 0 included."""
    found = self.family.depths(*self.numbers)
    if not isinstance(found, Mapping):
      raise TypeError(
        f'{self.name}: depths of the family returns {found!r}; give stage -> '
        "number of units, as in {'stage1': 3}"
      )
    return dict(found)

  def with_name(self, name: str) -> 'Architecture':
    """The same with another depth; `ValueError` if of another family."""
    if _split_name(_checked_name(name))[0] is not self.family:
      raise ValueError(f'{name} is not of the family of {self.name}')
    return dataclasses.replace(self, name=name)

  def module(self, backend: ConvBackend | None = None) -> nn.Module:
    """The Flax module, with the conv backend that is fastest here."""
    made = self.family.module(self, backend or self.backend())
    return checked(made, self.family.name)

  def backend(
    self,
    tickets: int = 1,
    native: Native = 'auto',
    devices: Sequence[jax.Device] | None = None,
  ) -> ConvBackend:
    """How this network's convolutions are computed; see `default_backend`.

    C++ kernels are compiled only for a network that has convolutions, made of
    this library's layers.
    """
    kernels = named_leaves(self.shapes()['params']) if self.is_own else []
    convolves = any(len(leaf.shape) == 4 for _, leaf in kernels)
    return default_backend(tickets, native if convolves else 'off', devices)

  @property
  def is_own(self) -> bool:
    """Whether the network is made of this library's layers alone."""
    traced = _variables(self)
    names = [name for name, _ in named_leaves(traced.shapes['params'])]
    return all(name in traced.draws for name in names)

  def init(self, seed: int) -> dict[str, PyTree]:
    """Fresh `params` and `batch_stats` (which may be empty), host arrays.

    A parameter is drawn from the seed, the network's name and its own, so
    two networks of one family never share initial values. Layers that are not
    this library's own are drawn by Flax, from the seed and the network's name.
    """
    shapes, draws = _variables(self).shapes, _variables(self).draws
    own = {'params': {}, 'batch_stats': {}}
    if not self.is_own:
      words = generator(seed, f'init/{self.name}').integers(2**31)
      key = jax.random.key(int(words))
      initialize = jax.jit(functools.partial(_init_variables, self))
      own = jax.tree.map(np.asarray, initialize(key))
    drawn_by_flax = flatten(own['params'])

    def draw(name, leaf):
      if name not in draws:
        return drawn_by_flax[name]
      function, fan_in = draws[name]
      return function(
        generator(seed, f'init/{self.name}/{name}'), leaf.shape, fan_in
      )

    return {
      'params': map_named(draw, shapes['params']),
      'batch_stats': own['batch_stats']
      or map_named(
        lambda name, leaf: np.full(
          leaf.shape, name.endswith('/var'), leaf.dtype
        ),
        shapes['batch_stats'],
      ),
    }

  def shapes(self) -> dict[str, PyTree]:
    """`init` as shapes and dtypes, without computing anything."""
    return _variables(self).shapes

  def check(self, variables: Mapping[str, PyTree]) -> None:
    """Checks that `variables` have this network's leaves, shapes and dtypes.

    Raises:
      ValueError: naming the leaf.
    """
    check_like(self.shapes(), variables, self.name)

  def parameters(self) -> dict[str, int]:
    """The number of parameters, by leaf."""
    return {
      name: math.prod(leaf.shape)
      for name, leaf in named_leaves(self.shapes()['params'])
    }

  def prunable_sizes(self) -> tuple[dict[str, int], dict[str, int]]:
    """Weights by leaf: (may be pruned, are counted but never pruned)."""
    free: dict[str, int] = {}
    always_kept: dict[str, int] = {}
    for name, size in self.parameters().items():
      if self.family.prunable(name):
        kept = self.family.is_never_pruned(name)
        (always_kept if kept else free)[name] = size
    return free, always_kept

  def multiply_adds(self) -> dict[str, int]:
    """Multiply-adds of one image's forward pass, by kernel name.

    In the order of execution, as `cost.multiply_adds` counts them: each weight
    of a convolution once for every output pixel, padding included; a layer as
    often as it is called; products without weights under `activations`.
    """
    return dict(_work(self).multiply_adds)

  def outputs(self) -> int:
    """How many numbers the layers put out for one image, all together."""
    return _work(self).outputs

  def check_trainable(self) -> None:
    """Checks that studies can train the network's module.

    Studies carry `params` and `batch_stats`, give a module no random numbers,
    and call it with images, `valid` and `train`.

    Raises:
      ValueError: naming the family, what its module needs, and the remedy.
    """
    trainable.check_trainable(self)

  def to_json(self) -> dict[str, Any]:
    return dataclasses.asdict(self) | {'input_shape': list(self.input_shape)}

  @classmethod
  def from_json(cls, values: Mapping[str, Any]) -> 'Architecture':
    """The inverse of `to_json`; `ValueError` on anything else."""
    fields = {field.name for field in dataclasses.fields(cls)}
    if values.keys() != fields:
      raise ValueError(f'architecture has fields {sorted(map(str, values))}')
    name, shape = values['name'], values['input_shape']
    if not isinstance(name, str) or not isinstance(shape, list | tuple):
      raise ValueError(f'architecture {name!r:.80} of images {shape!r:.80}')
    return cls(
      name=name,
      input_shape=tuple(shape),  # pyrefly: ignore
      classes=values['classes'],
      width=values['width'],
    )


def architecture(
  name: str,
  input_shape: tuple[int, int, int] | None = None,
  classes: int | None = None,
  width: int | None = None,
) -> Architecture:
  """The network called `name`; what is left out is as in its paper.

  Raises:
    TypeError: if the name is none.
    ValueError: as `Architecture` does.
  """
  family, _ = _split_name(_checked_name(name))
  return Architecture(
    name,
    family.input_shape if input_shape is None else input_shape,
    family.classes if classes is None else classes,
    family.width if width is None else width,
  )


def _checked_name(name: str) -> str:
  check_argument('the network', name, str, "its name, e.g. 'resnet20'")
  return name


@kept_by_network
def _split_name(name: str) -> tuple[Family, tuple[int, ...]]:
  if name in FAMILIES:
    raise ValueError(f'network {name!r} has no depth; write it as in resnet20')
  parsed = NetworkName.find(name)
  try:
    family = FAMILIES.find(parsed.stem if parsed else name)
  except ValueError as error:
    raise ValueError(
      f'network {name!r}: {error}; write its name and depth, e.g. resnet20. '
      'A family of your own is known where its file is run, as by --config=FILE'
    ) from None
  assert parsed  # or else the name is no family's
  if len(parsed.numbers) > family.numbers:
    raise ValueError(
      f'network {name!r}: {family.name} takes {family.numbers} number(s)'
    )
  return family, parsed.numbers


def _init_variables(
  architecture: Architecture, key, backend: ConvBackend | None = None
) -> dict[str, PyTree]:
  images = jnp.zeros((1, *architecture.input_shape))
  variables = architecture.module(backend).init(key, images)
  return {'batch_stats': {}, **variables}


@dataclasses.dataclass(frozen=True)
class _Variables:
  """What tracing a network's initialisation tells.

  Attributes:
    shapes: of all variables.
    draws: parameter -> how it is drawn, and its fan-in; of own layers alone.
  """

  shapes: dict[str, PyTree]
  draws: Mapping[str, tuple[layers.Draw, int]]


@kept_by_network
def _variables(architecture: Architecture) -> _Variables:
  with layers.recorded_draws() as draws:
    shapes = jax.eval_shape(
      functools.partial(
        _init_variables, architecture, backend=conv_backends.COUNTED
      ),
      jax.random.key(0),
    )
  return _Variables(shapes, draws)


@kept_by_network
def _work(architecture: Architecture) -> Work:
  """The work of one image's forward pass, BN in evaluation mode."""
  module = architecture.module(conv_backends.COUNTED)
  image = jax.ShapeDtypeStruct((1, *architecture.input_shape), jnp.float32)
  return forward_work(module.apply, architecture.shapes(), image)
