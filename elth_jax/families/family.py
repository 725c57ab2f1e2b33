"""Families: networks that differ in depth alone, and the registry of them."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn

from elth_jax.elastic.layout import Layout
from elth_jax.families import (
  mlp,
  mobilenet,
  resnet,
  vgg,
)
from elth_jax.families import pytorch_names as torch_names
from elth_jax.families.published_plans import PlanSyntax
from elth_jax.names import NetworkName
from elth_jax.nn.conv_backends import ConvBackend
from elth_jax.nn.layers import (
  ONETICKET,
  OPEN_LTH,
  Initialization,
  LayerFactory,
)


@dataclasses.dataclass(frozen=True)
class Family:
  """Networks that differ in depth (and width) alone.

  Attributes:
    name: what a network's name starts with; its depth number follows.
    width: the width of the published networks.
    input_shape: (height, width, channels) of the published images.
    classes: of the published data.
    depths: the numbers in a name -> units in each stage; raises `ValueError`.
    module: (architecture, backend) -> Flax module, called with NHWC images, the
      examples' weights (batch,) and whether it is training; it returns logits.
    title: how people write its name, e.g. `ResNet`.
    numbers: the most numbers that a name may have, as in `vgg13-3`.
    layout: how trees of this family name stages and units.
    prunable_names: the last part of the names of prunable parameters.
    spared: names of leaves that are counted as prunable but never pruned.
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
  title: str = ''
  numbers: int = 1
  layout: Layout = Layout()
  prunable_names: tuple[str, ...] = ('kernel',)
  spared: tuple[str, ...] = ()
  dense: tuple[str, ...] = ()
  branch_end: tuple[str, ...] = ()
  plan_syntax: PlanSyntax = PlanSyntax()
  torch_name: Callable[[str, Mapping[str, int]], str] | None = None
  older_torch_name: Callable[[str, Mapping[str, int]], str] | None = None

  def prunable(self, leaf: str) -> bool:
    """Whether a parameter is pruned or counted."""
    named = leaf.rpartition('/')[2] in self.prunable_names
    return named and leaf not in self.dense

  def is_spared(self, leaf: str) -> bool:
    """Whether a prunable parameter is counted but never pruned."""
    return leaf in self.spared


FAMILIES: dict[str, Family] = {}


def register(family: Family) -> Family:
  """Makes a family's networks known by name, for tickets and studies.

  Raises:
    ValueError: if the name is taken, or is not letters and underscores.
  """
  if family.name in FAMILIES:
    raise ValueError(f'there is a family {family.name!r} already')
  if not family.name.replace('_', '').isalpha() or not family.name.islower():
    raise ValueError(
      f'family name {family.name!r}: use lower-case letters and underscores'
    )
  FAMILIES[family.name] = family
  return family


def pretty(network: str) -> str:
  """`resnet20` as `ResNet-20`, `vgg13-3` as `VGG-13-3`."""
  name = NetworkName.find(network)
  if name is None or name.stem not in FAMILIES:
    return network
  title = FAMILIES[name.stem].title
  return str(NetworkName(f'{title}-', name.numbers)) if title else network


def _network(
  cls: Callable[..., nn.Module],
  initial: Initialization = OPEN_LTH,
  **options: Any,
) -> Callable[[Any, ConvBackend], nn.Module]:
  """How a family's networks are made from their depths, width and classes."""
  return lambda a, backend: cls(
    tuple(a.depths.values()),
    a.width,
    a.classes,
    LayerFactory(backend, initial),
    **options,
  )


IMAGENET = (224, 224, 3)
# OneTicket moves tickets between numbers of classes, so sparsity is of the rest
_HEAD = ('head/kernel',)
_BASIC_END = ('bn2/scale', 'bn2/bias')
_BOTTLENECK_END = ('bn3/scale', 'bn3/bias')
_bottleneck_depths = functools.partial(
  resnet.listed_depths, known=resnet.BOTTLENECK
)

register(
  Family(
    name='resnet',
    title='ResNet',
    width=16,
    depths=resnet.cifar_depths,
    module=_network(resnet.ResNet),
    branch_end=_BASIC_END,
    torch_name=torch_names.open_lth_resnet,
  )
)
register(
  Family(
    name='imagenet_resnet',
    title='ImageNet ResNet',
    width=64,
    input_shape=IMAGENET,
    classes=1000,
    depths=functools.partial(resnet.listed_depths, known=resnet.BASIC),
    module=_network(resnet.ResNet, block=resnet.Basic, imagenet=True),
    branch_end=_BASIC_END,
    torch_name=torch_names.torchvision_resnet,
  )
)
register(
  Family(
    name='bottleneck_resnet',
    title='Bottleneck ResNet',
    width=64,
    input_shape=IMAGENET,
    classes=1000,
    depths=_bottleneck_depths,
    module=_network(resnet.ResNet, block=resnet.Bottleneck, imagenet=True),
    branch_end=_BOTTLENECK_END,
    torch_name=torch_names.torchvision_resnet,
  )
)
register(
  Family(
    name='oneticket_resnet',
    title='OneTicket ResNet',
    width=64,
    input_shape=IMAGENET,
    classes=1000,
    depths=_bottleneck_depths,
    module=_network(
      resnet.ResNet, ONETICKET, block=resnet.Bottleneck, imagenet=True
    ),
    dense=_HEAD,
    branch_end=_BOTTLENECK_END,
    torch_name=torch_names.torchvision_resnet,
  )
)
register(
  Family(
    name='vgg',
    title='VGG',
    width=64,
    depths=vgg.depths,
    module=_network(vgg.VGG),
    numbers=2,
    layout=Layout(fixed={'stage6': 0}),  # its linear layers are all alike
    spared=('head/kernel',),
    plan_syntax=PlanSyntax(stage='stage6', step=2),
    torch_name=torch_names.elastic_lth_vgg,
    older_torch_name=torch_names.older_vgg,
  )
)
register(
  Family(
    name='oneticket_vgg',
    title='OneTicket VGG',
    width=64,
    depths=vgg.depths,
    module=_network(vgg.VGG, ONETICKET),
    dense=_HEAD,
    torch_name=torch_names.elastic_lth_vgg,
  )
)
register(
  Family(
    name='mobilenet',
    title='MobileNet',
    width=32,
    input_shape=IMAGENET,
    classes=1000,
    depths=mobilenet.depths,
    module=_network(mobilenet.MobileNet),
    torch_name=torch_names.mobilenet,
  )
)
register(
  Family(
    name='mlp',
    title='MLP',
    width=300,
    input_shape=(28, 28, 1),
    depths=mlp.depths,
    module=lambda a, backend: mlp.MLP(
      a.numbers[0], a.width, a.classes, LayerFactory(backend)
    ),
    spared=('head/kernel',),
    plan_syntax=PlanSyntax(trailing=1),
    torch_name=torch_names.open_lth_mlp,
  )
)
