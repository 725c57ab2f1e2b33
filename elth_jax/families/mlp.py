"""MLP-n: n hidden layers of one width, a narrower one, and the head.

MLP-1 is LeNet-300-100. Depth is what n counts: the hidden layers after the
first are the units; the first, the narrow layer and the head are invariant.
"""

import flax.linen as nn
import jax

from elth_jax.families import pytorch_names
from elth_jax.families.family import Family, register
from elth_jax.families.published_plans import PlanSyntax
from elth_jax.nn.layers import LayerFactory, LinearBlock, Stage


def depths(hidden: int) -> dict[str, int]:
  """The number of hidden layers of MLP-`hidden`, as its one stage.

  Raises:
    ValueError: if there is no hidden layer.
  """
  if hidden < 1:
    raise ValueError(f'mlp{hidden}: an MLP has at least one hidden layer')
  return {'stage1': hidden}


class MLP(nn.Module):
  """Flattened images, hidden layers of `width`, one of `width` / 3, the head.

  Attributes:
    hidden: the number of hidden layers of `width` (300 in the paper).
    width: their size; the narrow layer has a third of it.
    classes: size of the output.
    kit: makes the layers.
  """

  hidden: int
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
    """(batch, height, width, channels) images to (batch, classes) logits."""
    del valid, train  # no layer here looks beyond one example

    def block(at, name):
      del at
      return LinearBlock(self.width, self.kit, name=name)

    x = images.reshape(images.shape[0], -1)
    x = Stage(block, self.hidden, name='stage1')(x)
    neck = self.kit.dense(max(self.width // 3, 1), name='neck')
    return self.kit.dense(self.classes, name='head')(nn.relu(neck(x)))


register(
  Family(
    name='mlp',
    label='MLP',
    doc='LeNet-300-100 with 1, 2, ... hidden layers before the narrow one.',
    width=300,
    input_shape=(28, 28, 1),
    depths=depths,
    module=lambda a, backend: MLP(
      a.numbers[0], a.width, a.classes, LayerFactory(backend)
    ),
    never_pruned_leaves=('head/kernel',),
    plan_syntax=PlanSyntax(trailing=1),
    torch_name=pytorch_names.open_lth_mlp,
  )
)
