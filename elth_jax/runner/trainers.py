"""Makes the trainer of a run, in the same way in every process."""

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax

from elth_jax.datasets import Dataset, Stream
from elth_jax.process.hosts import Hosts
from elth_jax.study.nodes import Node, Run
from elth_jax.study.spec import RunOptions
from elth_jax.training.compiled_steps import CompiledSteps
from elth_jax.training.led_steps import LedSteps
from elth_jax.training.trainer import Trainer


def make_trainer(
  node: Node,
  data: Mapping[str, Dataset | Stream],
  options: RunOptions,
  placement: Mapping[str, Any],
  steps: Callable[..., CompiledSteps] = CompiledSteps,
) -> Trainer:
  """The trainer of a run, and of all that are compiled alike.

  Args:
    node: the run.
    data: name -> data set, as nodes name it.
    options: how the study is run.
    placement: from `Parallel.placement`.
    steps: as `Trainer` has it.
  """
  assert isinstance(node, Run)
  return Trainer(
    node.architecture,
    node.recipe,
    data[node.data.dataset],
    dynamic=node.dynamic,
    deterministic=options.deterministic,
    native=options.native,
    steps=steps,
    **placement,
  )


def replicates_of(nodes: Mapping[str, Node]) -> int:
  """How many replicates a study has."""
  return 1 + max(node.subject.replicate for node in nodes.values())


def numbered(placement: Mapping[str, Any]) -> dict[str, Any]:
  """A placement as JSON values: how many devices, for which ones."""
  return {**placement, 'devices': len(placement['devices'])}


def within(
  devices: Sequence[jax.Device], placement: Mapping[str, Any]
) -> dict[str, Any]:
  """The inverse of `numbered`, from the study's devices."""
  return {**placement, 'devices': list(devices[: placement['devices']])}


class Trainers:
  """The trainers of one process, each made when it is first needed.

  Args:
    nodes: of the study.
    data: name -> data set, as nodes name it.
    options: how the study is run.
    hosts: the processes that train; this one leads them.

  Attributes:
    replicates: how many the study has.
  """

  def __init__(
    self,
    nodes: Mapping[str, Node],
    data: Mapping[str, Dataset | Stream],
    options: RunOptions,
    hosts: Hosts | None = None,
  ):
    self.replicates = replicates_of(nodes)
    self.data = data
    self.options = options
    self.hosts = hosts or Hosts()
    self._made: dict[tuple, Trainer] = {}
    self._kinds: dict[tuple, int] = {}
    self._kind_of: dict[str, int] = {}  # run -> kind
    self._placements: dict[int, dict[str, Any]] = {}
    self._lanes: dict[int, int] = {}

  def kind(self, node: Run) -> int:
    """A number for what a training run's compiled functions depend on."""
    if node.name not in self._kind_of:
      dynamic = json.dumps(node.dynamic, sort_keys=True)
      kind = node.architecture, node.recipe, dynamic, node.data.dataset
      self._kind_of[node.name] = self._kinds.setdefault(kind, len(self._kinds))
    return self._kind_of[node.name]

  def lanes(self, node: Run) -> int:
    """How many of its kind are trained at once, on this process's devices."""
    kind = self.kind(node)
    if kind not in self._lanes:
      self._lanes[kind] = self.options.parallel.lanes(*self._on(node))
    return self._lanes[kind]

  def placement(self, node: Run) -> dict[str, Any]:
    """How runs of a kind lie on this process's devices, as JSON values."""
    kind = self.kind(node)
    if kind not in self._placements:
      self._placements[kind] = numbered(
        self.options.parallel.placement(*self._on(node))
      )
    return self._placements[kind]

  def _on(self, node: Run) -> tuple:
    """What `Parallel` asks of a run."""
    size, devices = node.recipe.batch_size, self.hosts.devices
    return node.architecture, size, devices, self.replicates

  def get(
    self, node: Run, placement: Mapping[str, Any] | None = None
  ) -> Trainer:
    """The trainer of a run, and of all that are compiled alike.

    Args:
      node: the run.
      placement: as `placement` gives it, here or in another process.
    """
    placement = placement or self.placement(node)
    key = self.kind(node), *placement.values()
    if key not in self._made:
      self._made[key] = self._make(node, placement)
    return self._made[key]

  def _make(self, node: Run, placement: Mapping[str, Any]) -> Trainer:
    steps = CompiledSteps
    if self.hosts.count > 1:
      number = len(self._made)
      steps = functools.partial(LedSteps, hosts=self.hosts, trainer=number)
    self.hosts.tell('trainer', node=node.name, placement=dict(placement))
    return make_trainer(
      node,
      self.data,
      self.options,
      within(self.hosts.devices, placement),
      steps,
    )
