"""Published trainings, as programs to compile for a kind of device."""

import dataclasses
from typing import Literal

from elth_jax.aot.described import TARGETS, described_devices, without_images
from elth_jax.aot.programs import PROGRAMS, CompiledProgram, compile_for
from elth_jax.datasets.dataset import IMAGENET_MEAN, IMAGENET_STD, Outline
from elth_jax.dynamic import settings_of
from elth_jax.dynamic.options import Sparse
from elth_jax.families import architecture
from elth_jax.nn.conv_backends import CONV_BACKENDS
from elth_jax.training.recipe import (
  CIFAR_RESNET,
  IMAGENET_RESNET,
  VGG,
  Recipe,
)
from elth_jax.training.trainer import Trainer

CIFAR = Outline(
  name='cifar10',
  classes=10,
  mean=IMAGENET_MEAN,
  std=IMAGENET_STD,
  count=50_000,
  size=(32, 32, 3),
)
IMAGENET = Outline(
  name='imagenet',
  classes=1000,
  mean=IMAGENET_MEAN,
  std=IMAGENET_STD,
  count=1_281_167,
  size=(224, 224, 3),
)


@dataclasses.dataclass(frozen=True)
class Case:
  """A network's published training, on devices that are only described.

  Attributes:
    device: a name in `TARGETS`.
    network: of CIFAR-10 or, if it is called `imagenet_...`, of ImageNet.
    tickets: that share a device.
    dtype: see `Recipe`.
    devices: that share a ticket, if more than one.
    dynamic: the method that changes masks meanwhile, at its usual options.
    backend: how convolutions are computed; by default as suits the device.
  """

  device: str
  network: str
  tickets: int = 1
  dtype: Literal['float32', 'bfloat16'] = 'float32'
  devices: int = 1
  dynamic: str = ''
  backend: str = ''

  def __str__(self) -> str:
    said = [self.device, self.network, self.dtype]
    said += [f'{self.tickets}-tickets'] if self.tickets > 1 else []
    said += [f'{self.devices}-devices'] if self.devices > 1 else []
    return '-'.join([*said, *filter(None, [self.dynamic, self.backend])])

  @property
  def memory(self) -> int:
    """Bytes that a device has."""
    return TARGETS[self.device].memory

  @property
  def recipe(self) -> Recipe:
    """The published one, with the case's dtype."""
    recipe = VGG if self.network.startswith('vgg') else CIFAR_RESNET
    recipe = IMAGENET_RESNET if self._large else recipe
    return dataclasses.replace(recipe, dtype=self.dtype)

  @property
  def _large(self) -> bool:
    return self.network.startswith('imagenet_')

  def trainer(self) -> Trainer:
    """A trainer for the devices; it can be compiled, not run.

    Raises:
      MissingCompilerError: naming the package to install.
    """
    devices = described_devices(self.device, self.devices)
    outline = IMAGENET if self._large else CIFAR
    data = without_images(outline, stream=self._large)
    return Trainer(
      architecture(self.network, data.image_shape, data.classes),
      self.recipe,
      data,
      devices,
      per_device=self.tickets,
      backend=CONV_BACKENDS[self.backend] if self.backend else None,
      dynamic=settings_of(self.dynamic, Sparse()) if self.dynamic else None,
      split_batches=self.devices > 1,
    )

  def compile(
    self, names: tuple[str, ...] = PROGRAMS
  ) -> dict[str, CompiledProgram]:
    """The programs by name; takes minutes."""
    return compile_for(self.trainer(), self.devices, names)


# what continuous integration compiles, in some minutes
QUICK_CASES = (
  Case('v5e', 'resnet20'),
  Case('v5e', 'resnet20', 1, 'bfloat16'),
  Case('v5e', 'resnet20', 8, 'bfloat16'),
  Case('v5e', 'imagenet_resnet34', 1, 'bfloat16', devices=4),
  Case('h100', 'resnet20', 8),
  Case('h100', 'resnet20', dynamic='rigl'),
)
SLOW_CASES = (
  Case('v5e', 'resnet20', 8),
  Case('v5e', 'resnet20', dynamic='rigl'),
  Case('v5e', 'resnet20', dynamic='dpf'),
  Case('v5e', 'vgg16', 1, 'bfloat16'),
  Case('v5e', 'vgg16'),
  Case('h100', 'resnet20'),
  Case('h100', 'resnet20', 8, 'bfloat16'),
  Case('h100', 'resnet20', dynamic='dpf'),
  Case('h100', 'vgg16', 1, 'bfloat16'),
  Case('h100', 'imagenet_resnet34', 1, 'bfloat16', devices=4),
)
