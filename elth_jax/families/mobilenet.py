"""MobileNetV1: depthwise-separable blocks, with a run of equal ones.

MobileNet-28 is the published network of 28 layers. The run of equal blocks at
8 w channels (five there) is what varies: each block more is two layers more.

References:
  Howard et al., MobileNets, 2017, table 1.
"""

import flax.linen as nn
import jax

from elth_jax.families import pytorch_names
from elth_jax.families.family import IMAGENET, Family, module_of, register
from elth_jax.nn.layers import LayerFactory, Stage

# (channels as a multiple of the stem's, stride of the first block)
STAGES = ((2, 1), (4, 2), (8, 2), (16, 2), (32, 2))
SHORTEST = 18  # layers without any of the equal blocks


def depths(layers: int) -> dict[str, int]:
  """Blocks in each stage of a MobileNet of `layers` layers.

  Raises:
    ValueError: if the number is odd or too small.
  """
  equal, rest = divmod(layers - SHORTEST, 2)
  if rest or equal < 1:
    raise ValueError(
      f'mobilenet{layers}: a MobileNetV1 has 18 + 2 n layers, n of at least 1 '
      'being the equal blocks: mobilenet20, mobilenet22, ...; 28 is published'
    )
  return dict(
    zip(
      (f'stage{n}' for n in range(1, len(STAGES) + 1)),
      (1, 2, 2, 1 + equal, 2),
      strict=True,
    )
  )


class Block(nn.Module):
  """Depthwise 3x3 conv, BN, ReLU, 1x1 conv, BN, ReLU."""

  features: int
  stride: int
  kit: LayerFactory

  @nn.compact
  def __call__(self, x, valid=None, train=False):
    kit = self.kit
    channels = x.shape[kit.backend.axes.index('C')]
    depthwise = kit.conv(
      channels, 3, self.stride, depthwise=True, name='depthwise'
    )
    x = kit.norm(name='bn1')(depthwise(x), valid, train, relu=True)
    x = kit.conv(self.features, 1, name='pointwise')(x)
    return kit.norm(name='bn2')(x, valid, train, relu=True)


class MobileNet(nn.Module):
  """Stem of stride 2, five stages, average pool, linear head.

  Attributes:
    depths: blocks in each stage.
    width: channels of the stem (32 in the paper).
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
    x = self.kit.conv(self.width, 3, 2, name='stem')(backend.enter(images))
    x = self.kit.norm(name='stem_bn')(x, valid, train, relu=True)
    stages = zip(STAGES, self.depths, strict=True)
    for number, ((factor, stride), blocks) in enumerate(stages, start=1):

      def block(at, name, features=self.width * factor, first=stride):
        return Block(features, 1 if at else first, self.kit, name=name)

      x = Stage(block, blocks, name=f'stage{number}')(x, valid, train)
    return self.kit.dense(self.classes, name='head')(backend.pool(x))


register(
  Family(
    name='mobilenet',
    label='MobileNet',
    doc='MobileNetV1 with 1, 2, ... equal blocks: 20, 22, ... layers.',
    width=32,
    input_shape=IMAGENET,
    classes=1000,
    depths=depths,
    module=module_of(MobileNet),
    torch_name=pytorch_names.mobilenet,
  )
)
