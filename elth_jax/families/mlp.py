"""MLP-n: n hidden layers of one width, a narrower one, and the head.

MLP-1 is LeNet-300-100. Depth is what n counts: the hidden layers after the
first are the units; the first, the narrow layer and the head are invariant.
"""

import flax.linen as nn
import jax

from elth_jax.families.layers import Dense


def depths(hidden: int) -> dict[str, int]:
  """The number of hidden layers of MLP-`hidden`, as its one stage.

  Raises:
    ValueError: if there is no hidden layer.
  """
  if hidden < 1:
    raise ValueError(f'mlp{hidden}: an MLP has at least one hidden layer')
  return {'stage1': hidden}


class Block(nn.Module):
  """One hidden layer."""

  features: int

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    return nn.relu(Dense(self.features, name='fc')(x))


class Stage(nn.Module):
  """Hidden layers of one width."""

  features: int
  blocks: int

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    for number in range(self.blocks):
      x = Block(self.features, name=f'block{number}')(x)
    return x


class MLP(nn.Module):
  """Flattened images, hidden layers of `width`, one of `width` / 3, the head.

  Attributes:
    hidden: the number of hidden layers of `width` (300 in the paper).
    width: their size; the narrow layer has a third of it.
    classes: size of the output.
  """

  hidden: int
  width: int
  classes: int

  @nn.compact
  def __call__(
    self,
    images: jax.Array,
    weights: jax.Array | None = None,
    train: bool = False,
  ) -> jax.Array:
    """(batch, height, width, channels) images to (batch, classes) logits."""
    del weights, train  # no layer here looks beyond one example
    x = images.reshape(images.shape[0], -1)
    x = Stage(self.width, self.hidden, name='stage1')(x)
    x = nn.relu(Dense(self.width // 3, name='neck')(x))
    return Dense(self.classes, name='head')(x)
