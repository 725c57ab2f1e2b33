"""ResNets: stages of residual blocks, for CIFAR and for ImageNet.

References:
  He et al., Deep Residual Learning for Image Recognition, 2016; projection
  shortcuts as in open_lth, the bottleneck's stride as in torchvision.
"""

import dataclasses
import functools
from collections.abc import Mapping

import flax.linen as nn
import jax

from elth_jax.families import pytorch_names
from elth_jax.families.family import IMAGENET, Family, module_of, register
from elth_jax.nn.layers import ONETICKET, LayerFactory, Stage

BASIC = {18: (2, 2, 2, 2), 26: (2, 3, 4, 3), 34: (3, 4, 6, 3)}
BOTTLENECK = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}


def cifar_depths(layers: int) -> dict[str, int]:
  """Blocks in each stage of a CIFAR ResNet of `layers` = 6 n + 2 layers.

  Raises:
    ValueError: if `layers` is not 6 n + 2 with n of at least 1.
  """
  blocks, rest = divmod(layers - 2, 6)
  if rest or blocks < 1:
    lower = 6 * max(blocks, 1) + 2
    raise ValueError(
      f'resnet{layers}: a CIFAR ResNet has 6 n + 2 layers; the nearest are '
      f'resnet{lower} and resnet{lower + 6} (for ImageNet: imagenet_resnet18, '
      'bottleneck_resnet50)'
    )
  return {f'stage{stage}': blocks for stage in (1, 2, 3)}


def listed_depths(
  layers: int, known: Mapping[int, tuple[int, ...]]
) -> dict[str, int]:
  """Blocks in each stage of one of the published ImageNet ResNets.

  Raises:
    ValueError: if there is no such ResNet.
  """
  if layers not in known:
    raise ValueError(f'{layers} layers: there are {sorted(known)}')
  return {f'stage{n}': blocks for n, blocks in enumerate(known[layers], 1)}


class Basic(nn.Module):
  """conv-BN-ReLU-conv-BN, plus the input or its 1x1 projection, then ReLU."""

  features: int
  stride: int
  kit: LayerFactory

  @nn.compact
  def __call__(self, x, valid=None, train=False):
    kit = self.kit
    y = _conv(kit, self.features, 3, self.stride, name='conv1')(x)
    y, x = kit.norm(name='bn1')(y, valid, train, relu=True, shared=x)
    y = _conv(kit, self.features, 3, name='conv2')(y)
    residual = _shortcut(kit, x, self.features, self.stride, valid, train)
    return kit.norm(name='bn2')(y, valid, train, True, residual)


class Bottleneck(nn.Module):
  """1x1, 3x3 (with the stride) and 1x1 convs to four times the features."""

  features: int
  stride: int
  kit: LayerFactory

  @nn.compact
  def __call__(self, x, valid=None, train=False):
    kit = self.kit
    y = _conv(kit, self.features, 1, name='conv1')(x)
    y, x = kit.norm(name='bn1')(y, valid, train, relu=True, shared=x)
    y = _conv(kit, self.features, 3, self.stride, name='conv2')(y)
    y = kit.norm(name='bn2')(y, valid, train, relu=True)
    wide = 4 * self.features
    y = _conv(kit, wide, 1, name='conv3')(y)
    residual = _shortcut(kit, x, wide, self.stride, valid, train)
    return kit.norm(name='bn3')(y, valid, train, True, residual)


def _conv(kit: LayerFactory, features: int, size: int, stride: int = 1, **also):
  """A convolution before a normalisation, as all are here."""
  return kit.conv(features, size, stride, before_norm=True, **also)


def _shortcut(kit: LayerFactory, x, features, stride: int, valid, train):
  """`x` as it is, or projected where the block changes the shape."""
  if stride == 1 and x.shape[kit.backend.axes.index('C')] == features:
    return x
  x = _conv(kit, features, 1, stride, name='shortcut')(x)
  return kit.norm(name='shortcut_bn')(x, valid, train)


class ResNet(nn.Module):
  """Stem, stages of widths w, 2 w, 4 w, ..., average pool, linear head.

  Attributes:
    depths: blocks in each stage.
    width: features w of the first stage.
    classes: size of the output.
    kit: makes the layers.
    block: `Basic` or `Bottleneck`.
    imagenet: whether the stem is a 7x7 conv of stride 2 and a max-pool, or
      a 3x3 conv.
  """

  depths: tuple[int, ...]
  width: int
  classes: int
  kit: LayerFactory
  block: type[Basic | Bottleneck] = Basic
  imagenet: bool = False

  @nn.compact
  def __call__(
    self,
    images: jax.Array,
    valid: jax.Array | None = None,
    train: bool = False,
  ) -> jax.Array:
    """(batch, height, width, channels) images to (batch, classes) logits.

    `valid` (batch,) are 1 for examples and 0 for the padding of a batch.
    """
    backend = self.kit.backend
    size, stride = (7, 2) if self.imagenet else (3, 1)
    stem = _conv(self.kit, self.width, size, stride, name='stem')
    x = stem(backend.enter(images))
    x = self.kit.norm(name='stem_bn')(x, valid, train, relu=True)
    if self.imagenet:
      x = backend.max_pool(x, size=3, pad=1)
    for number, blocks in enumerate(self.depths, start=1):
      features, first = self.width * 2 ** (number - 1), min(number, 2)

      def block(at, name, features=features, first=first):
        return self.block(features, 1 if at else first, self.kit, name=name)

      x = Stage(block, blocks, name=f'stage{number}')(x, valid, train)
    return self.kit.dense(self.classes, name='head')(backend.pool(x))


BASIC_END = ('bn2/scale', 'bn2/bias')
BOTTLENECK_END = ('bn3/scale', 'bn3/bias')

register(
  Family(
    name='resnet',
    label='ResNet',
    doc='CIFAR ResNets of 6 n + 2 layers, in three stages.',
    width=16,
    depths=cifar_depths,
    module=module_of(ResNet),
    branch_end=BASIC_END,
    torch_name=pytorch_names.open_lth_resnet,
  )
)
register(
  Family(
    name='imagenet_resnet',
    label='ImageNet ResNet',
    doc='ImageNet ResNets of two convolutions a block: 18, 26 and 34 layers.',
    width=64,
    input_shape=IMAGENET,
    classes=1000,
    depths=functools.partial(listed_depths, known=BASIC),
    module=module_of(ResNet, block=Basic, imagenet=True),
    branch_end=BASIC_END,
    torch_name=pytorch_names.torchvision_resnet,
  )
)
_bottleneck = Family(
  name='bottleneck_resnet',
  label='Bottleneck ResNet',
  doc='ImageNet ResNets of bottleneck blocks: 50, 101 and 152 layers.',
  width=64,
  input_shape=IMAGENET,
  classes=1000,
  depths=functools.partial(listed_depths, known=BOTTLENECK),
  module=module_of(ResNet, block=Bottleneck, imagenet=True),
  branch_end=BOTTLENECK_END,
  torch_name=pytorch_names.torchvision_resnet,
)
register(_bottleneck)
register(
  dataclasses.replace(
    _bottleneck,
    name='oneticket_resnet',
    label='OneTicket ResNet',
    doc='Bottleneck ResNets as OneTicket trained them, with a dense head.',
    module=module_of(ResNet, ONETICKET, block=Bottleneck, imagenet=True),
    # tickets move between numbers of classes, so sparsity is of the rest
    dense=('head/kernel',),
  )
)
