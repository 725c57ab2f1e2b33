"""Compiled training of one architecture, several tickets at once."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
import optax
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from elth_jax.datasets.dataset import Dataset
from elth_jax.dynamic import Training, make_dynamic
from elth_jax.families import Architecture
from elth_jax.families.forms import Form
from elth_jax.ticket import Ticket
from elth_jax.training.optimizer import make_optimizer
from elth_jax.training.recipe import Recipe
from elth_jax.training.state import TrainState, stack, start_state
from elth_jax.training.step import (
  make_evaluation,
  make_segment,
  make_statistics,
  make_step,
)
from elth_jax.trees import PyTree

EVALUATION_BATCH = 256


class Trainer:
  """The compiled functions for one architecture, recipe and data set.

  Tickets are split over devices, `per_device` on each, and never communicate.
  Masks, seeds and step numbers are data: one compilation serves all levels,
  methods and replicates.

  Args:
    architecture: the network.
    recipe: how it is trained.
    dataset: what it is trained on; kept on every device.
    devices: all local devices by default.
    per_device: tickets that share a device.
    form: how convolutions are computed; by default as the backend likes it.
    dynamic: settings of a method that changes masks while training, for
      `dynamic.make_dynamic`.

  Attributes:
    lanes: how many tickets are trained at once; fewer may be given.
  """

  def __init__(
    self,
    architecture: Architecture,
    recipe: Recipe,
    dataset: Dataset,
    devices: Sequence[jax.Device] | None = None,
    per_device: int = 1,
    form: Form | None = None,
    dynamic: Mapping[str, Any] | None = None,
  ):
    devices = list(devices or jax.local_devices())
    examples = len(dataset.train_labels)
    self.architecture = architecture
    self.recipe = recipe
    self.examples = examples
    self.lanes = len(devices) * per_device
    self.total_steps = recipe.total_steps(examples)
    self.steps_per_epoch = recipe.steps_per_epoch(examples)
    self._optimizer = make_optimizer(recipe, recipe.schedule(examples))
    module = architecture.module(form)
    self._dynamic = None
    if dynamic is not None:
      self._dynamic = make_dynamic(
        dynamic, _training(architecture, recipe, examples, self._optimizer)
      )
    step = make_step(module, recipe, dataset, self._optimizer, self._dynamic)
    segment = make_segment(step, self.steps_per_epoch)
    mesh = jax.make_mesh(
      (len(devices),), ('tickets',), (AxisType.Auto,), devices=devices
    )
    split = functools.partial(_split_tickets, mesh=mesh, alone=per_device == 1)
    self._split = NamedSharding(mesh, PartitionSpec('tickets'))
    shared = NamedSharding(mesh, PartitionSpec())
    self._segment = jax.jit(split(segment, 3), donate_argnums=0)
    evaluation = make_evaluation(module, dataset)
    self._evaluate = jax.jit(split(evaluation, 3))
    self._statistics = jax.jit(
      split(make_statistics(module, dataset, recipe.batch_size), 3)
    )
    self._train = _put((dataset.train_images, dataset.train_labels), shared)
    self._test = _put(_test_batches(dataset), shared)

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

  def place(self, states: Sequence[TrainState]) -> TrainState:
    """States on the devices, stacked; spare lanes repeat the last one."""
    if not 1 <= len(states) <= self.lanes:
      raise ValueError(f'{len(states)} tickets for {self.lanes} lanes')
    spare = self.lanes - len(states)
    return _put(stack([*states, *[states[-1]] * spare]), self._split)

  def run(
    self, state: TrainState, stops: Sequence[int], batches: Sequence[PyTree]
  ) -> tuple[TrainState, PyTree]:
    """Trains each lane to its stop, within one epoch; donates `state`.

    Args:
      state: from `place`, or from this function.
      stops: the step before which each ticket stops; spare lanes do nothing.
      batches: for each ticket, what `draw_epoch` returns for this epoch.

    Returns:
      The new state, and sums over examples by lane (see `step.Metrics`).
    """
    spare = self.lanes - len(stops)
    all_stops = np.asarray([*stops, *[0] * spare], np.int32)
    stacked = jax.tree.map(
      lambda *leaves: np.stack(leaves), *batches, *[batches[-1]] * spare
    )
    placed = _put((all_stops, stacked), self._split)
    return self._segment(state, *placed, *self._train)

  def evaluate(self, state: TrainState) -> PyTree:
    """Sums over the test set by lane: `loss`, `correct`, `count`."""
    return self._evaluate(
      state.params, state.batch_stats, state.masks, *self._test
    )

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
      recompute: get BN statistics anew, by running averages over one epoch
        of training images without augmentation.
    """
    found: list[float] = []
    start = self.start(ticket, 0)
    for first in range(0, len(networks), self.lanes):
      some = networks[first : first + self.lanes]
      states = [
        dataclasses.replace(
          start, params=one['params'], batch_stats=one['batch_stats']
        )
        for one in some
      ]
      state = self.place(states)
      if recompute:
        stats = self._statistics(
          state.params, state.batch_stats, state.masks, *self._train
        )
        state = dataclasses.replace(state, batch_stats=stats)
      totals = jax.tree.map(np.asarray, self.evaluate(state))
      rates = totals['correct'] / totals['count']
      found += [float(rate) for rate in rates[: len(some)]]
    return found


def _split_tickets(function, own: int, *, mesh, alone: bool):
  """Maps a function of one ticket over devices, and over tickets on each.

  The first `own` arguments belong to a ticket; the others are shared.
  """

  def on_one_device(*args):
    if not alone:
      axes = [0] * own + [None] * (len(args) - own)
      return jax.vmap(function, in_axes=axes)(*args)
    mine = jax.tree.map(lambda a: a[0], args[:own])
    result = function(*mine, *args[own:])
    return jax.tree.map(lambda a: a[None], result)

  @functools.wraps(function)  # its name is the program's
  def mapped(*args):
    specs = [PartitionSpec('tickets')] * own
    specs += [PartitionSpec()] * (len(args) - own)
    return jax.shard_map(
      on_one_device,
      mesh=mesh,
      in_specs=tuple(specs),
      out_specs=PartitionSpec('tickets'),
      check_vma=False,
    )(*args)

  return mapped


def _training(
  architecture: Architecture,
  recipe: Recipe,
  examples: int,
  optimizer: optax.GradientTransformationExtraArgs,
) -> Training:
  """What a dynamic method must know."""
  family, an_epoch = architecture.family, recipe.steps_per_epoch(examples)
  sizes = {
    name: size
    for name, size in architecture.parameters().items()
    if family.prunable(name)
  }
  spared = {name for name in sizes if family.is_spared(name)}
  return Training(
    start=recipe.rewind_point(examples),
    steps=recipe.total_steps(examples),
    drops=tuple(epoch * an_epoch for epoch in recipe.drop_epochs),
    optimizer=optimizer,
    sizes={name: n for name, n in sizes.items() if name not in spared},
    spared=sum(sizes[name] for name in spared),
  )


def _put(tree: PyTree, sharding: NamedSharding) -> PyTree:
  return jax.device_put(tree, jax.tree.map(lambda _: sharding, tree))


def _test_batches(dataset: Dataset) -> tuple[np.ndarray, np.ndarray]:
  """The test set in full batches; a label of -1 marks padding."""
  count = len(dataset.test_labels)
  size = min(EVALUATION_BATCH, count)
  batches = -(-count // size)
  images = np.zeros((batches * size, *dataset.image_shape), np.uint8)
  labels = np.full(batches * size, -1, np.int32)
  images[:count], labels[:count] = dataset.test_images, dataset.test_labels
  shape = (batches, size)
  return images.reshape(*shape, *dataset.image_shape), labels.reshape(shape)
