"""VGG: five stages of 3x3 convs with BN, and fully-connected layers.

VGG-13-k (`vgg13-3`) has k - 1 hidden fully-connected layers before the head;
they are a sixth stage, whose units are all alike. Max-pooling lies between
stages and global average pooling at the end, which on 32x32 images is the
published 2x2 average; on small images a side of one pixel is not pooled.

References:
  Simonyan and Zisserman 2015; the CIFAR variant is that of open_lth.
"""

import flax.linen as nn
import jax

from elth_jax.elastic.layout import Layout
from elth_jax.families import pytorch_names
from elth_jax.families.family import Family, module_of, register
from elth_jax.families.published_plans import PlanSyntax
from elth_jax.nn.layers import ONETICKET, LayerFactory, LinearBlock, Stage

STAGES = {13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
WIDTHS = (1, 2, 4, 8, 8)


def depths(layers: int, fully_connected: int = 1) -> dict[str, int]:
  """Convs in each stage, and hidden fully-connected layers if there are any.

  Raises:
    ValueError: if there is no such VGG.
  """
  if layers not in STAGES:
    raise ValueError(f'vgg{layers}: a VGG has 13, 16 or 19 layers')
  if fully_connected < 1:
    raise ValueError(f'vgg{layers}-{fully_connected}: the head always stays')
  stages = (*STAGES[layers], fully_connected - 1)
  return {f'stage{n}': units for n, units in enumerate(stages, 1) if units}


class ConvBlock(nn.Module):
  """conv (with bias), BN, ReLU."""

  features: int
  kit: LayerFactory

  @nn.compact
  def __call__(self, x, valid, train):
    kit = self.kit
    conv = kit.conv(self.features, 3, bias=True, before_norm=True, name='conv')
    return kit.norm(name='bn')(conv(x), valid, train, relu=True)


class VGG(nn.Module):
  """Five stages of widths w, 2 w, 4 w, 8 w, 8 w, pooling, linear layers.

  Attributes:
    depths: units in each stage; a sixth one is of linear layers.
    width: channels w of the first stage (64 in the paper).
    classes: size of the output.
    kit: makes the layers.
  """

  depths: tuple[int, ...]
  width: int
  classes: int
  kit: LayerFactory

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
    x = backend.enter(images)
    for number, factor in enumerate(WIDTHS, start=1):
      if number > 1:
        x = backend.max_pool(x)
      x = self._stage(number, ConvBlock, self.width * factor)(x, valid, train)
    x = backend.pool(x)
    if len(self.depths) > len(WIDTHS):
      x = self._stage(6, LinearBlock, x.shape[-1])(x, valid, train)
    return self.kit.dense(self.classes, name='head')(x)

  def _stage(self, number: int, block, features: int) -> Stage:
    return Stage(
      lambda at, name: block(features, self.kit, name=name),
      self.depths[number - 1],
      name=f'stage{number}',
    )


register(
  Family(
    name='vgg',
    label='VGG',
    doc='VGGs for CIFAR with BN: 13, 16 and 19 layers, and linear layers.',
    width=64,
    depths=depths,
    module=module_of(VGG),
    numbers=2,
    layout=Layout(fixed={'stage6': 0}),  # its linear layers are all alike
    never_pruned_leaves=('head/kernel',),
    plan_syntax=PlanSyntax(stage='stage6', step=2),
    torch_name=pytorch_names.elastic_lth_vgg,
    older_torch_name=pytorch_names.older_vgg,
  )
)
register(
  Family(
    name='oneticket_vgg',
    label='OneTicket VGG',
    doc='VGGs as OneTicket trained them, with a dense head.',
    width=64,
    depths=depths,
    module=module_of(VGG, ONETICKET),
    # tickets move between numbers of classes, so sparsity is of the rest
    dense=('head/kernel',),
    torch_name=pytorch_names.elastic_lth_vgg,
  )
)
