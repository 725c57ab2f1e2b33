"""Families: networks that differ in depth alone, and the registry of them.

The module of a network registers its families.
"""

import dataclasses
import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import flax.linen as nn

from elth_jax.elastic.layout import Layout
from elth_jax.families.published_plans import PlanSyntax
from elth_jax.limits import check_argument
from elth_jax.names import NetworkName
from elth_jax.nn.conv_backends import ConvBackend
from elth_jax.nn.layers import OPEN_LTH, Initialization, LayerFactory
from elth_jax.registry import Registry

Function = TypeVar('Function', bound=Callable[..., Any])


@dataclasses.dataclass(frozen=True)
class Family:
  """Networks that differ in depth (and width) alone.

  Attributes:
    name: what a network's name starts with; its depth number follows.
    width: the width of the published networks.
    input_shape: (height, width, channels) of the published images.
    classes: of the published data.
    depths: the numbers in a name -> units in each stage; raises `ValueError`.
    module: (architecture, backend) -> Flax module, called with NHWC images,
      `valid` (batch,), 1 for images and 0 for the padding of a batch, or None,
      and whether it is training; it returns logits. `from_nnx` makes one of an
      nnx module.
    label: how people write its name, e.g. `ResNet`; by default, `name`.
    doc: what its networks are, in a sentence.
    numbers: the most numbers that a name may have, as in `vgg13-3`.
    layout: how trees of this family name stages and units.
    prunable_names: the last part of the names of prunable parameters.
    never_pruned_leaves: names of leaves that are counted as prunable but never
      pruned.
    dense: names of leaves that are neither counted nor pruned.
    branch_end: ends of the names of a unit's last leaves; scaled by zero, they
      make the unit pass on what it is given. Empty where nothing does that.
    plan_syntax: how the published code writes plans for this family.
    torch_name: (layer, depths) -> its name in the published PyTorch code.
    older_torch_name: the same in files that earlier versions of this library
      wrote; read, not written.
  """

  name: str
  width: int
  depths: Callable[..., dict[str, int]]
  module: Callable[[Any, ConvBackend], nn.Module]
  input_shape: tuple[int, int, int] = (32, 32, 3)
  classes: int = 10
  label: str = ''
  doc: str = ''
  numbers: int = 1
  layout: Layout = Layout()
  prunable_names: tuple[str, ...] = ('kernel',)
  never_pruned_leaves: tuple[str, ...] = ()
  dense: tuple[str, ...] = ()
  branch_end: tuple[str, ...] = ()
  plan_syntax: PlanSyntax = PlanSyntax()
  torch_name: Callable[[str, Mapping[str, int]], str] | None = None
  older_torch_name: Callable[[str, Mapping[str, int]], str] | None = None

  def prunable(self, leaf: str) -> bool:
    """Whether a parameter is pruned or counted."""
    named = leaf.rpartition('/')[2] in self.prunable_names
    return named and leaf not in self.dense

  def is_never_pruned(self, leaf: str) -> bool:
    """Whether a prunable parameter is counted but never pruned."""
    return leaf in self.never_pruned_leaves


FAMILIES: Registry[Family] = Registry('family')
_TRACED: list[Any] = []  # functions that keep what families' modules tell


def register(family: Family, replace: bool = False) -> Family:
  """Makes a family's networks known by name, for tickets and studies.

  Args:
    family: the family; its `name` is what its networks' names start with.
    replace: whether it may take the place of a family of that name.

  Raises:
    TypeError: if its `module` is no function, or its layout none.
    ValueError: if the name is taken, or is not letters and underscores.
  """
  if not family.name.replace('_', '').isalpha() or not family.name.islower():
    raise ValueError(
      f'family name {family.name!r}: use lower-case letters and underscores'
    )
  if not _takes_two(family.module):
    raise TypeError(
      f'family {family.name!r}: module is no function; give one of '
      '(architecture, backend) that makes the Flax module'
    )
  check_argument('layout', family.layout, Layout, 'a Layout')
  FAMILIES.register(family.name, family, replace)
  for function in _TRACED:  # of a family that was replaced
    function.cache_clear()
  return family


def _takes_two(function: Any) -> bool:
  """Whether it may be called with an architecture and a backend."""
  if isinstance(function, nn.Module) or not callable(function):
    return False
  try:
    inspect.signature(function).bind(None, None)
  except TypeError:
    return False
  except ValueError:  # not known, as of some builtins
    pass
  return True


def kept_by_network(function: Function) -> Function:
  """`functools.lru_cache` for what is found out about a network by its name.

  Forgets all when a family is registered, since that may be another module
  under an old name.
  """
  cached: Any = functools.lru_cache(function)
  _TRACED.append(cached)
  return cached


def pretty(network: str) -> str:
  """`resnet20` as `ResNet-20`, `vgg13-3` as `VGG-13-3`."""
  name = NetworkName.find(network)
  if name is None or name.stem not in FAMILIES:
    return network
  label = FAMILIES[name.stem].label
  return str(NetworkName(f'{label}-', name.numbers)) if label else network


def module_of(
  cls: Callable[..., nn.Module],
  initial: Initialization = OPEN_LTH,
  **options: Any,
) -> Callable[[Any, ConvBackend], nn.Module]:
  """How a family's networks are made of their depths, width and classes.

  Args:
    cls: the Flax module, called with (depths, width, classes, layers).
    initial: how its layers are drawn.
    **options: of the module.
  """
  return lambda a, backend: cls(
    tuple(a.depths.values()),
    a.width,
    a.classes,
    LayerFactory(backend, initial),
    **options,
  )


IMAGENET = (224, 224, 3)  # (height, width, channels)
