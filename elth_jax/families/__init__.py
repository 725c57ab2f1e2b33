"""Model families: networks by name, their units, and what is prunable.

A family is one entry of `FAMILIES` and one file with its module.
"""

import dataclasses
import functools
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from elth_jax.elastic import Plan
from elth_jax.families import layers, mlp, resnet
from elth_jax.families.forms import Form, default_form
from elth_jax.layout import Layout
from elth_jax.names import unknown
from elth_jax.randomness import generator
from elth_jax.tables import Order
from elth_jax.trees import PyTree, check_same_leaves, flatten, map_named


@dataclasses.dataclass(frozen=True)
class Family:
  """Networks that differ in depth alone.

  Attributes:
    name: what a network's name starts with; its depth number follows.
    width: the width of the published networks.
    depths: depth number -> units in each stage; raises `ValueError`.
    module: (architecture, form) -> Flax module that takes NHWC images.
    spared: names of leaves that are counted as prunable but never pruned.
    layout: how trees of this family name stages and units.
  """

  name: str
  width: int
  depths: Callable[[int], dict[str, int]]
  module: Callable[['Architecture', Form], nn.Module]
  spared: tuple[str, ...] = ()
  layout: Layout = Layout()

  def prunable(self, leaf: str) -> bool:
    """Whether a parameter is pruned or counted: kernels, and only kernels."""
    return leaf.rpartition('/')[2] == 'kernel'

  def is_spared(self, leaf: str) -> bool:
    """Whether a prunable parameter is counted but never pruned."""
    return leaf in self.spared


FAMILIES = {
  family.name: family
  for family in (
    Family(
      name='resnet',
      width=16,
      depths=resnet.depths,
      module=lambda a, form: resnet.ResNet(
        tuple(a.depths.values()), a.width, a.classes, form
      ),
    ),
    Family(
      name='mlp',
      width=300,
      depths=mlp.depths,
      module=lambda a, form: mlp.MLP(a.number, a.width, a.classes),
      spared=('head/kernel',),
    ),
  )
}


@dataclasses.dataclass(frozen=True)
class Architecture:
  """One network in plain values; hashable, and JSON in a ticket.

  Attributes:
    name: family and depth number, e.g. `resnet20` or `mlp3`.
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
    _split_name(self.name)
    if not self.depths or min(*self.input_shape, self.classes, self.width) < 1:
      raise ValueError(f'{self}: sizes must be positive')

  @property
  def family(self) -> Family:
    return _split_name(self.name)[0]

  @property
  def number(self) -> int:
    """The depth number in the name: 20 for `resnet20`."""
    return _split_name(self.name)[1]

  @property
  def depths(self) -> dict[str, int]:
    """The number of units in each stage, unit 0 included."""
    return self.family.depths(self.number)

  def with_name(self, name: str) -> 'Architecture':
    """The same with another depth; `ValueError` if of another family."""
    if _split_name(name)[0] is not self.family:
      raise ValueError(f'{name} is not of the family of {self.name}')
    return dataclasses.replace(self, name=name)

  def module(self, form: Form | None = None) -> nn.Module:
    """The Flax module, in the form that is fastest on this backend."""
    return self.family.module(self, form or default_form())

  def init(self, seed: int) -> dict[str, PyTree]:
    """Fresh `params` and `batch_stats` (which may be empty), host arrays.

    A parameter is drawn from the seed, the network's name and its own, so
    two networks of one family never share initial values.
    """
    shapes, draws, _ = _trace(self)

    def draw(name, leaf):
      function, fan_in = draws[name]
      return function(
        generator(seed, f'init/{self.name}/{name}'), leaf.shape, fan_in
      )

    return {
      'params': map_named(draw, shapes['params']),
      'batch_stats': map_named(
        lambda name, leaf: np.full(
          leaf.shape, name.endswith('/var'), leaf.dtype
        ),
        shapes['batch_stats'],
      ),
    }

  def shapes(self) -> dict[str, PyTree]:
    """`init` as shapes and dtypes, without computing anything."""
    return _trace(self)[0]

  def check(self, variables: Mapping[str, PyTree]) -> None:
    """Checks that `variables` have this network's leaves, shapes and dtypes.

    Raises:
      ValueError: naming the leaf.
    """
    wanted, found = flatten(self.shapes()), flatten(variables)
    check_same_leaves(wanted, found, self.name)
    for name, leaf in wanted.items():
      if (leaf.shape, leaf.dtype) != (found[name].shape, found[name].dtype):
        raise ValueError(
          f'{self.name}: {name} is {found[name].dtype}{found[name].shape}, '
          f'not {leaf.dtype}{leaf.shape}'
        )

  def multiply_adds(self) -> dict[str, int]:
    """Multiply-adds of one image's forward pass, by kernel name.

    Convolutions and linear layers are counted, as in the papers; each weight
    is used once for every output pixel.
    """
    return dict(_trace(self)[2])

  def to_json(self) -> dict[str, Any]:
    return dataclasses.asdict(self) | {'input_shape': list(self.input_shape)}

  @classmethod
  def from_json(cls, values: Mapping[str, Any]) -> 'Architecture':
    """The inverse of `to_json`; `ValueError` on anything else."""
    fields = {field.name for field in dataclasses.fields(cls)}
    if values.keys() != fields:
      raise ValueError(f'architecture has fields {sorted(values)}')
    height, width, channels = values['input_shape']
    return cls(
      name=values['name'],
      input_shape=(height, width, channels),
      classes=values['classes'],
      width=values['width'],
    )


def architecture(
  name: str,
  input_shape: tuple[int, int, int],
  classes: int,
  width: int | None = None,
) -> Architecture:
  """The network called `name`, of its family's usual width by default."""
  family, _ = _split_name(name)
  return Architecture(name, input_shape, classes, width or family.width)


def plan_between(
  source: Architecture,
  target: Architecture,
  order: Order | str = 'append',
  units: Any = None,
  keep: Any = None,
  drop: Any = None,
) -> Plan:
  """The plan that stretches or squeezes one network to another's depth.

  Raises:
    ValueError: if some stages grow while others shrink, if a stage has no
      unit to copy, or if a rule is given that does not apply.
  """
  source.with_name(target.name)  # refuses another family
  have, want = source.depths, target.depths
  grows = any(want[stage] > have[stage] for stage in have)
  shrinks = any(want[stage] < have[stage] for stage in have)
  try:
    if grows and shrinks:
      raise ValueError('some stages grow and others shrink: write a Plan')
    if shrinks:
      if units is not None:
        raise ValueError('units is for stretching; squeeze by keep or drop')
      return Plan.squeeze(have, want, keep, drop)
    if keep is not None or drop is not None:
      raise ValueError('keep and drop are for squeezing; stretch by units')
    return Plan.stretch(have, want, order, units)  # pyrefly: ignore
  except ValueError as error:
    raise ValueError(f'{source.name} to {target.name}: {error}') from None


@functools.lru_cache
def _split_name(name: str) -> tuple[Family, int]:
  match = re.fullmatch(r'([a-z_]+)(\d+)', name)
  if not match or match[1] not in FAMILIES:
    stem = match[1] if match else name
    raise ValueError(
      f'network {name!r}: {unknown("family", stem, FAMILIES)}; write its '
      'name and depth, e.g. resnet20'
    )
  return FAMILIES[match[1]], int(match[2])


def _init_variables(architecture: Architecture) -> dict[str, PyTree]:
  images = jnp.zeros((1, *architecture.input_shape))
  variables = architecture.module().init(jax.random.key(0), images)
  return {'batch_stats': {}, **variables}


@functools.lru_cache
def _trace(architecture: Architecture):
  """Shapes of all leaves, draws by parameter and multiply-adds by kernel."""
  draws: dict[str, tuple[layers.Draw, int]] = {}
  multiply_adds: dict[str, int] = {}

  def record(next_call, args, kwargs, context):
    out = next_call(*args, **kwargs)
    layer = context.module
    if isinstance(layer, layers.Layer) and context.method_name == '__call__':
      path = '/'.join(layer.path)
      fan_in = 1
      if 'kernel' in layer.initial:
        shape = layer.variables['params']['kernel'].shape
        fan_in, features = math.prod(shape[:-1]), shape[-1]
        pixels = out.size // features  # of a batch of one
        multiply_adds[f'{path}/kernel'] = math.prod(shape) * pixels
      for name, draw in layer.initial.items():
        draws[f'{path}/{name}'] = draw, fan_in
    return out

  with nn.intercept_methods(record):
    shapes = jax.eval_shape(functools.partial(_init_variables, architecture))
  return shapes, draws, multiply_adds
