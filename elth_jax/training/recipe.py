"""How a network is trained, as plain values, and the published recipes."""

import dataclasses
from typing import Literal

import jax.numpy as jnp
import optax

from elth_jax.limits import (
  ABOVE_0,
  AT_LEAST_0,
  Limits,
  check_numbers,
)
from elth_jax.process.precision import Precision
from elth_jax.reading import check_types

MOST = 2**20  # epochs, images a step or pixels; more is a slip
OptimizerName = Literal['sgd', 'adam', 'adamw']
LEARNING_RATES: dict[OptimizerName, float] = {
  'sgd': 0.1,
  'adam': 3e-4,
  'adamw': 3e-4,
}


@dataclasses.dataclass(frozen=True)
class Recipe:
  """One training recipe. Epochs and steps count from the dense start.

  Attributes:
    optimizer: `sgd`, or `adam` or `adamw` (betas 0.9 and 0.999).
    learning_rate: the learning rate before any drop, after warm-up.
    momentum: momentum of SGD, without Nesterov; see `nesterov`.
    l2: coupled L2, added to the gradient of every parameter before momentum; of
      `adamw` decoupled weight decay, which the learning rate alone scales.
    batch_size: images a step; the last, partial batch of an epoch is kept.
    epochs: epochs of the whole training, rewind steps included.
    drop_epochs: epochs at whose first step the learning rate is multiplied by
      `drop_factor`, in their order; those after the end have no effect.
    drop_factor: what the learning rate is multiplied by at `drop_epochs`.
    warmup_epochs: epochs in which the learning rate rises linearly from 0.
    rewind_step: a ticket keeps the weights of step r, which is so many steps
      after `rewind_epochs`.
    rewind_epochs: whole epochs before `rewind_step` is counted.
    flip: whether images are flipped left to right at random.
    crop_padding: zeros padded on each side before a random crop; streams are
      cut in their own way, whatever it is (see `datasets.stream`).
    dtype: the type in which activations are stored: `float32` or `bfloat16`.
      Parameters, BN and the optimiser stay float32.
    precision: how exactly products are multiplied, at least: `highest`
      (float32), `tensorfloat32` or `bfloat16`; empty for that of `dtype`. Only
      accelerators have choices; see `process.precision`.
    decay: how the learning rate falls: by `drops`, or from the end of warm-up
      to the end of training by a half `cosine` to 0; that has no `drop_epochs`.
    nesterov: whether momentum is Nesterov's.
    label_smoothing: share of each label that is spread over all classes, in
      training alone.
  """

  optimizer: OptimizerName = 'sgd'
  learning_rate: float = 0.1
  momentum: float = 0.9
  l2: float = 1e-4
  batch_size: int = 128
  epochs: int = 160
  drop_epochs: tuple[int, ...] = (80, 120)
  drop_factor: float = 0.1
  warmup_epochs: int = 0
  rewind_step: int = 1000
  rewind_epochs: int = 0
  flip: bool = True
  crop_padding: int = 4
  dtype: Literal['float32', 'bfloat16'] = 'float32'
  precision: Literal['', Precision] = ''
  decay: Literal['drops', 'cosine'] = 'drops'
  nesterov: bool = False
  label_smoothing: float = 0.0

  def __post_init__(self):
    check_types(self)
    check_numbers(
      self,
      learning_rate=ABOVE_0,
      momentum=Limits(0, 1, below=True),
      l2=AT_LEAST_0,
      batch_size=Limits(1, MOST),
      epochs=Limits(1, MOST),
      drop_epochs=AT_LEAST_0,
      drop_factor=ABOVE_0,
      warmup_epochs=Limits(0, self.epochs),
      rewind_step=AT_LEAST_0,
      rewind_epochs=AT_LEAST_0,
      crop_padding=Limits(0, MOST),
      label_smoothing=Limits(0, 1, below=True),
    )
    if list(self.drop_epochs) != sorted(set(self.drop_epochs)):
      raise ValueError(
        f'drop_epochs are {self.drop_epochs}; each must be after the one before'
      )
    if self.decay == 'cosine' and self.drop_epochs:
      raise ValueError(
        f'decay is cosine, and drop_epochs are {self.drop_epochs}; give '
        'drop_epochs=()'
      )
    if self.nesterov and not (self.optimizer == 'sgd' and self.momentum):
      raise ValueError(
        f'nesterov is momentum of sgd; optimizer is {self.optimizer}, momentum '
        f'{self.momentum}'
      )
    if self.dtype == 'bfloat16' and self.precision not in ('', 'bfloat16'):
      raise ValueError(
        f'precision is {self.precision!r}, but dtype bfloat16 rounds what is '
        "multiplied; give dtype 'float32', or leave precision empty"
      )

  @property
  def product_precision(self) -> Precision:
    """`precision`, or that of `dtype` where it is empty."""
    own: Precision = 'highest' if self.dtype == 'float32' else 'bfloat16'
    return self.precision or own

  @property
  def late_drops(self) -> tuple[int, ...]:
    """The drops of the learning rate that training ends before."""
    return tuple(epoch for epoch in self.drop_epochs if epoch >= self.epochs)

  def steps_per_epoch(self, examples: int) -> int:
    """Steps of one epoch, the partial one included."""
    return -(-examples // self.batch_size)

  def rewind_point(self, examples: int) -> int:
    """r, in steps from the dense start."""
    return (
      self.rewind_epochs * self.steps_per_epoch(examples) + self.rewind_step
    )

  def total_steps(self, examples: int) -> int:
    """Steps from the dense start to the end.

    Raises:
      ValueError: if training would end before the rewind step, or never.
    """
    steps = self.epochs * self.steps_per_epoch(examples)
    if steps >= 2**31:
      raise ValueError(
        f'{steps} steps are too many; steps are counted in int32'
      )
    rewind = self.rewind_point(examples)
    if rewind >= steps:
      raise ValueError(
        f'rewind point {rewind} (rewind_step {self.rewind_step}, rewind_epochs '
        f'{self.rewind_epochs}) is not before the end of training, {steps} '
        f'steps ({self.epochs} epochs of {examples} images)'
      )
    return steps

  def longer(self, times: int) -> 'Recipe':
    """The recipe with that many times the epochs, drops moved alike.

    Warm-up and rewind point stay where they are.
    """
    return dataclasses.replace(
      self,
      epochs=self.epochs * times,
      drop_epochs=tuple(epoch * times for epoch in self.drop_epochs),
    )

  def by(self, optimizer: OptimizerName) -> 'Recipe':
    """The same with another optimiser, at its usual rate, as in OneTicket.

    Adam at 3e-4 with the same L2, or SGD at 0.1; Nesterov with SGD alone.
    """
    return dataclasses.replace(
      self,
      optimizer=optimizer,
      learning_rate=LEARNING_RATES[optimizer],
      nesterov=self.nesterov and optimizer == 'sgd',
    )

  def schedule(self, examples: int) -> optax.Schedule:
    """The learning rate as a function of the step from the dense start."""
    an_epoch = self.steps_per_epoch(examples)
    warmup = self.warmup_epochs * an_epoch
    if self.decay == 'cosine':
      span = max(self.epochs * an_epoch - warmup, 1)
      cosine = optax.cosine_decay_schedule(self.learning_rate, span)
      falling = lambda step: cosine(jnp.maximum(step - warmup, 0))  # noqa: E731
    else:
      drops = {epoch * an_epoch: self.drop_factor for epoch in self.drop_epochs}
      falling = optax.piecewise_constant_schedule(self.learning_rate, drops)
    if not warmup:
      return falling
    # optax's own join would restart the count after warm-up
    rising = optax.linear_schedule(0.0, 1.0, warmup)
    return lambda step: rising(step) * falling(step)


CIFAR_RESNET = Recipe()
VGG = Recipe(rewind_step=200)
IMAGENET_RESNET = Recipe(
  learning_rate=0.4,
  batch_size=1024,
  epochs=90,
  drop_epochs=(30, 60, 80),
  warmup_epochs=5,
  rewind_step=0,
  rewind_epochs=5,
)
MLP = Recipe(
  momentum=0.0,
  l2=0.0,
  epochs=40,
  drop_epochs=(),
  rewind_step=0,
  flip=False,
  crop_padding=0,
)
ONETICKET_VGG19 = Recipe(batch_size=512, rewind_step=0, rewind_epochs=1)
ONETICKET_RESNET50 = Recipe(
  batch_size=512,
  epochs=90,
  drop_epochs=(50, 65, 80),
  rewind_step=0,
  rewind_epochs=1,
)
