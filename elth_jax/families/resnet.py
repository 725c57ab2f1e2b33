"""CIFAR ResNets: N = 6 n + 2 layers, three stages of n basic blocks.

References:
  He et al., Deep Residual Learning for Image Recognition, 2016, section 4.2;
  projection shortcuts as in open_lth.
"""

import flax.linen as nn
import jax

from elth_jax.families.forms import Form
from elth_jax.families.layers import BatchNorm, Conv, Dense

STAGES = 3


def depths(layers: int) -> dict[str, int]:
  """Blocks in each stage of ResNet-`layers`.

  Raises:
    ValueError: if `layers` is not 6 n + 2 with n of at least 1.
  """
  blocks, rest = divmod(layers - 2, 6)
  if rest or blocks < 1:
    lower = 6 * max(blocks, 1) + 2
    raise ValueError(
      f'resnet{layers}: a CIFAR ResNet has 6 n + 2 layers; the nearest are '
      f'resnet{lower} and resnet{lower + 6}'
    )
  return {f'stage{stage}': blocks for stage in range(1, STAGES + 1)}


class Block(nn.Module):
  """conv-BN-ReLU-conv-BN, plus the input or its 1x1 projection, then ReLU."""

  features: int
  stride: int
  form: Form

  @nn.compact
  def __call__(self, x, weights=None, train=False):
    def conv(features, size, stride, number):
      return Conv(features, size, self.form, stride, name=f'conv{number}')

    def norm(x, name):
      return BatchNorm(self.form, name=name)(x, weights, train)

    y = nn.relu(norm(conv(self.features, 3, self.stride, 1)(x), 'bn1'))
    y = norm(conv(self.features, 3, 1, 2)(y), 'bn2')
    if x.shape != y.shape:
      shortcut = Conv(self.features, 1, self.form, self.stride, name='shortcut')
      x = norm(shortcut(x), 'shortcut_bn')
    return nn.relu(x + y)


class Stage(nn.Module):
  """`blocks` residual blocks, the first of which changes the width."""

  features: int
  blocks: int
  stride: int
  form: Form

  @nn.compact
  def __call__(self, x, weights=None, train=False):
    for number in range(self.blocks):
      stride = self.stride if number == 0 else 1
      block = Block(self.features, stride, self.form, name=f'block{number}')
      x = block(x, weights, train)
    return x


class ResNet(nn.Module):
  """Stem, three stages of widths w, 2 w, 4 w, average pool, linear head.

  Attributes:
    depths: blocks in each stage.
    width: channels w of the first stage (16 in the paper).
    classes: size of the output.
    form: how convolutions are computed.
  """

  depths: tuple[int, ...]
  width: int
  classes: int
  form: Form

  @nn.compact
  def __call__(
    self,
    images: jax.Array,
    weights: jax.Array | None = None,
    train: bool = False,
  ) -> jax.Array:
    """(batch, height, width, channels) images to (batch, classes) logits.

    `weights` (batch,) are 1 for examples and 0 for the padding of a batch.
    """
    x = Conv(self.width, 3, self.form, name='stem')(self.form.enter(images))
    x = nn.relu(BatchNorm(self.form, name='stem_bn')(x, weights, train))
    for number, blocks in enumerate(self.depths, start=1):
      x = Stage(
        self.width * 2 ** (number - 1),
        blocks,
        1 if number == 1 else 2,
        self.form,
        name=f'stage{number}',
      )(x, weights, train)
    return Dense(self.classes, name='head')(self.form.pool(x))
