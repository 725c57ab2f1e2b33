"""Compiled training of one architecture, several tickets at once."""

import collections
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import optax

from elth_jax.datasets import Dataset, Stream
from elth_jax.dynamic import Training, make_dynamic
from elth_jax.families import Architecture
from elth_jax.nn.conv_backends import EXAMPLES, ConvBackend
from elth_jax.nn.default_backend import Native
from elth_jax.tickets.ticket import Ticket
from elth_jax.training.compiled_steps import CompiledSteps
from elth_jax.training.input_pipeline import make_pipeline
from elth_jax.training.optimizer import make_optimizer
from elth_jax.training.recipe import Recipe
from elth_jax.training.state import TrainState, start_state
from elth_jax.training.step import (
  make_evaluation,
  make_segment,
  make_statistics,
  make_step,
)
from elth_jax.trees import PyTree

# multiply-adds of a step from which devices share a batch: less work than this
# takes about as long as adding up gradients and compiling once more
WORTH_SHARING = 10**9


class Trainer:
  """The compiled functions for one architecture, recipe and data set.

  Tickets are split over devices, `per_device` on each. Where there are fewer
  tickets than devices, several devices may share one, each taking a part of
  every batch. Masks, seeds and step numbers are data: one compilation serves
  all levels, methods and replicates.

  Args:
    architecture: the network.
    recipe: how it is trained.
    dataset: what it is trained on; kept on every device, or streamed.
    devices: this process's by default; those of several, process by process.
      Described ones (`elth_jax.aot`) can only be compiled for.
    per_device: tickets that share a device.
    backend: how convolutions are computed; by default as suits the network
      and the devices.
    native: whether C++ kernels may compute them; see `default_backend`.
    dynamic: settings of a method that changes masks while training, for
      `dynamic.make_dynamic`.
    deterministic: refuse kernels whose results vary from run to run (some are
      there on GPUs).
    split_batches: whether devices may share a ticket; by default, if steps are
      long enough. Only networks made of this library's layers alone can be
      shared, since others would not add up their sums over a batch.
    steps: makes what is compiled; another class where this process leads
      others.

  Attributes:
    lanes: how many tickets are trained at once; fewer may be given.
  """

  def __init__(
    self,
    architecture: Architecture,
    recipe: Recipe,
    dataset: Dataset | Stream,
    devices: Sequence[jax.Device] | None = None,
    per_device: int = 1,
    backend: ConvBackend | None = None,
    native: Native = 'auto',
    dynamic: Mapping[str, Any] | None = None,
    split_batches: bool | None = None,
    deterministic: bool = False,
    steps: Callable[..., CompiledSteps] = CompiledSteps,
  ):
    examples = dataset.examples
    self.architecture = architecture
    self.recipe = recipe
    self.dataset = dataset
    self.pipeline = make_pipeline(dataset, recipe)
    self.examples = examples
    self.devices = list(devices or jax.local_devices())
    self.per_device = per_device
    self.deterministic = deterministic
    self.lanes = len(self.devices) * per_device
    self.total_steps = recipe.total_steps(examples)
    self.steps_per_epoch = recipe.steps_per_epoch(examples)
    self._backend = backend or architecture.backend(
      per_device, native, self.devices
    )
    self._split = (
      self._worth_splitting() if split_batches is None else split_batches
    )
    self._split = self._split and architecture.is_own and per_device == 1
    self._optimizer = make_optimizer(recipe, recipe.schedule(examples))
    self._dynamic = None
    if dynamic is not None:
      self._dynamic = make_dynamic(
        dynamic, _training(architecture, recipe, examples, self._optimizer)
      )
    self._steps = steps
    self._programs: dict[int, CompiledSteps] = {}

  @property
  def backend(self) -> ConvBackend:
    """How convolutions are computed."""
    return self._backend

  def devices_per_ticket(self, tickets: int) -> int:
    """How many devices share one of so many tickets."""
    if not self._split:
      return 1
    most = max(len(self.devices) // max(tickets, 1), 1)
    return per_ticket_by_process(most, self.devices)

  def devices_for(self, per_ticket: int) -> list[jax.Device]:
    """The devices that are used where `per_ticket` of them share a ticket."""
    return self.devices[: len(self.devices) // per_ticket * per_ticket]

  def programs(self, per_ticket: int) -> CompiledSteps:
    """The compiled functions for tickets of `per_ticket` devices each."""
    if per_ticket not in self._programs:
      self._programs[per_ticket] = self._make_programs(per_ticket)
    return self._programs[per_ticket]

  def _make_programs(self, per_ticket: int) -> CompiledSteps:
    across = EXAMPLES if per_ticket > 1 else None
    backend = dataclasses.replace(self._backend, across=across)
    module = self.architecture.module(backend)
    step = make_step(
      module,
      self.recipe,
      self.dataset,
      self._optimizer,
      self._dynamic,
      across,
    )
    return self._steps(
      make_segment(step),
      make_evaluation(module, self.dataset, across),
      make_statistics(module, self.recipe, self.dataset),
      self.pipeline,
      self.devices_for(per_ticket),
      self.per_device,
      per_ticket,
      self.deterministic,
      self.recipe.product_precision,
    )

  def _worth_splitting(self) -> bool:
    one = sum(self.architecture.multiply_adds().values())
    return one * self.recipe.batch_size >= WORTH_SHARING

  def start(
    self, ticket: Ticket, step: int, keep: int = 0, seed: int = 0
  ) -> TrainState:
    """The ticket's state at `step`, with a fresh optimiser, on the host.

    Args:
      ticket: weights, statistics and masks to start from.
      step: where it starts, counted from the dense start.
      keep: prunable weights kept in the end, for a dynamic method.
      seed: for a dynamic method.
    """
    arrays = self._dynamic.init(keep, seed) if self._dynamic else ()
    return start_state(ticket, step, self._optimizer, arrays)

  def accuracies(
    self,
    ticket: Ticket,
    networks: Sequence[Mapping[str, PyTree]],
    recompute: bool = False,
  ) -> list[float]:
    """Test accuracy of networks that share a ticket's masks, 0 to 1.

    Args:
      ticket: whose masks they have.
      networks: `params` and `batch_stats` of each.
      recompute: get BN statistics anew: their means over batches of all
        training images, without augmentation.
    """
    found: list[float] = []
    start = self.start(ticket, 0)
    programs = self.programs(per_ticket=1)
    for first in range(0, len(networks), self.lanes):
      some = networks[first : first + self.lanes]
      states = [
        dataclasses.replace(
          start, params=one['params'], batch_stats=one['batch_stats']
        )
        for one in some
      ]
      state = programs.place(states)
      if recompute:
        state = programs.statistics(state)
      totals = programs.evaluate(state)
      rates = totals['correct'] / totals['count']
      found += [float(rate) for rate in rates[: len(some)]]
    return found


def per_ticket_by_process(most: int, devices: Sequence[jax.Device]) -> int:
  """How many devices share a ticket, at most `most`, over several processes.

  They are of one process, or all those of several, so that a process has the
  same places of every batch that it takes part in.
  """
  counts = collections.Counter(device.process_index for device in devices)
  if len(counts) == 1:
    return most
  each = max(counts.values())
  if most >= each:
    return most // each * each
  return max(n for n in range(1, most + 1) if each % n == 0)


def _training(
  architecture: Architecture,
  recipe: Recipe,
  examples: int,
  optimizer: optax.GradientTransformationExtraArgs,
) -> Training:
  """What a dynamic method must know."""
  sizes, always_kept = architecture.prunable_sizes()
  an_epoch = recipe.steps_per_epoch(examples)
  return Training(
    start=recipe.rewind_point(examples),
    steps=recipe.total_steps(examples),
    drops=tuple(epoch * an_epoch for epoch in recipe.drop_epochs),
    optimizer=optimizer,
    sizes=sizes,
    never_pruned_count=sum(always_kept.values()),
  )
