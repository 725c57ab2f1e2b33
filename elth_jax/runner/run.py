"""Runs a study: every node once, alike ones side by side."""

import functools
import json
import math
from collections.abc import Callable, Mapping

from elth_jax.datasets import Dataset, Stream
from elth_jax.masks import (
  collapsed,
  layer_densities,
  sparsity,
)
from elth_jax.methods import lottery
from elth_jax.nn.cost import train_flops
from elth_jax.process.hosts import Hosts
from elth_jax.process.phases import phase
from elth_jax.process.signals import StudyStopped
from elth_jax.runner.analysis_results import compare_masks, connect
from elth_jax.runner.callbacks import BatchCallback
from elth_jax.runner.derive import derived, pruned, sign, trained
from elth_jax.runner.progress import ProgressDisplay
from elth_jax.runner.trackers import NoTracker, Tracker
from elth_jax.runner.trainers import make_trainer, numbered
from elth_jax.storage.manifest import DamagedError
from elth_jax.study.nodes import (
  Connect,
  Derive,
  Node,
  Overlap,
  Prune,
  Rewind,
  Run,
  TicketNode,
  Train,
  Twin,
)
from elth_jax.study.spec import RunOptions
from elth_jax.tickets.ticket import Ticket
from elth_jax.training import checkpoint
from elth_jax.training.compiled_steps import CompiledSteps
from elth_jax.training.led_steps import LedSteps
from elth_jax.training.loop import Evaluation, fit
from elth_jax.training.state import TrainState
from elth_jax.training.trainer import Trainer
from elth_jax.workdir.recovery import Recovery
from elth_jax.workdir.store import Store


class Runner:
  """Runs the nodes of one study in one workdir.

  Args:
    nodes: the graph, parents first.
    store: where finished nodes are kept.
    data: name -> data set, as nodes name it.
    options: how they are run.
    asked_to_stop: looked at between dispatches.
    hosts: the processes that train; this one leads them.
    tracker: what else takes loss and accuracy.
  """

  def __init__(
    self,
    nodes: dict[str, Node],
    store: Store,
    data: Mapping[str, Dataset | Stream],
    options: RunOptions,
    asked_to_stop: Callable[[], bool] = lambda: False,
    hosts: Hosts | None = None,
    tracker: Tracker | None = None,
  ):
    self.hosts = hosts or Hosts()
    self.tracker = tracker or NoTracker()
    self.nodes = nodes
    self.store = store
    self.data = data
    self.replicates = 1 + max(node.subject.replicate for node in nodes.values())
    self.options = options
    self.parallel = options.parallel
    self.asked_to_stop = asked_to_stop
    self.recovery = Recovery(nodes, store)
    self.done = self.recovery.done
    self.failed: dict[str, str] = {}
    for node in nodes.values():
      if node.name in self.done and isinstance(node, Train | Twin):
        self._note_divergence(node, self.store.result(node)['diverged_at'])
    self._trainers: dict[tuple, Trainer] = {}

  def _note_divergence(self, node: Node, step: int | None) -> None:
    if step is not None:
      self.failed[node.name] = f'diverged at step {step}'

  def run(self) -> None:
    """Does all that is not done; `StudyStopped` when asked to stop.

    A run that diverges fails alone, with what depends on it: see `failed`.
    What turns out to be damaged when it is used is made again.
    """
    runs = [node for node in self.nodes.values() if isinstance(node, Run)]
    left = [node for node in runs if node.name not in self.done]
    self.store.trim_log({node.name: self._resumed_step(node) for node in left})
    work = sum(map(self._work, left))
    with ProgressDisplay(len(runs), len(runs) - len(left), work) as display:
      while True:
        try:
          ready = self._make_tickets_and_list_ready()
          if not ready:
            return
          self._train(self._pick(ready), display)
        except DamagedError as error:
          self.recovery.repair(error)

  def _make_tickets_and_list_ready(self) -> list[Run]:
    """Makes every ticket that can be made; the runs that can start."""
    ready: list[Run] = []
    for node in self.nodes.values():
      if node.name in self.done or node.name in self.failed:
        continue
      broken = [p for p in node.parents.values() if p in self.failed]
      if broken:
        self.failed[node.name] = f'needs {broken[0]}, which failed'
      elif self.done >= set(node.parents.values()):
        if isinstance(node, Run):
          ready.append(node)
        else:
          self._leave_if_asked()
          with phase('tickets' if isinstance(node, TicketNode) else 'analysis'):
            self._derive(node)
          self.done.add(node.name)
    return ready

  def _derive(self, node: Node) -> None:
    """Does what needs no training: makes a ticket, or analyses."""
    if isinstance(node, Prune):
      self._publish_ticket(node, pruned(node, self.nodes, self.store))
    elif isinstance(node, Derive):
      ticket = derived(node, self.nodes, self.store, self.data)
      self._publish_ticket(node, ticket)
    elif isinstance(node, Connect):
      trainer = self._trainer(self._run(node.parents['one']))
      result = connect(node, self.nodes, self.store, trainer)
      self._publish_run(node, result)
    elif isinstance(node, Overlap):
      result = compare_masks(node, self.nodes, self.store)
      self._publish_run(node, result)
    else:
      raise TypeError(f'{node.name}: nothing is known to do for {node.kind!r}')

  def _run(self, name: str) -> Run:
    node = self.nodes[name]
    assert isinstance(node, Run)
    return node

  def _publish_run(self, node: Node, result, ticket=None) -> None:
    hashes = self.store.digests(self.nodes, node)
    self.store.publish_run(node, result, hashes, ticket)

  def _publish_ticket(self, node: TicketNode, ticket: Ticket) -> None:
    signed = sign(ticket, node, self.nodes, self.store)
    self.store.publish_ticket(node, signed)

  def _pick(self, ready: list[Run]) -> list[Run]:
    """The next batch: alike in all that is compiled, and at one step.

    Batches that fill the lanes go first, since what is left over may find
    company when more is ready.
    """
    groups: dict[tuple, list[Run]] = {}
    for node in ready:
      step, per_ticket = self._resumed_step(node), self._per_ticket(node)
      dense = self._has_more_dense_leaves(node)
      alike = (*_compiled(node), node.stop, step, per_ticket, dense)
      groups.setdefault(alike, []).append(node)
    lanes = {
      key: max(self._lanes(group[0]) // self._per_ticket(group[0]), 1)
      for key, group in groups.items()
    }
    full = [key for key, group in groups.items() if len(group) >= lanes[key]]
    chosen = (full or list(groups))[0]
    return groups[chosen][: lanes[chosen]]

  def _has_more_dense_leaves(self, node: Run) -> bool:
    """Whether a run's masks have another structure than others' have."""
    ticket = self.nodes.get(node.parents.get('ticket', ''))
    return isinstance(ticket, Derive) and ticket.transfer.adds_dense_leaves

  def _per_ticket(self, node: Run) -> int:
    """How many devices share a run.

    As many as suit it beside its replicates, which are ready together: what it
    runs beside, and so what is left after a kill, must not change how it
    rounds.
    """
    lanes, replicates = self._lanes(node), self.replicates
    place = node.subject.replicate
    together = min(lanes, replicates - place // lanes * lanes)
    return self._trainer(node).devices_per_ticket(together)

  def _train(self, batch: list[Run], display: ProgressDisplay) -> None:
    self._leave_if_asked()
    trainer = self._trainer(batch[0])
    starts = [self._start(node, trainer) for node in batch]
    callback = BatchCallback(
      batch,
      int(starts[0].step),
      sum(map(self._work, batch)),
      self.store,
      display,
      self.tracker,
      self.options.checkpoint_seconds,
      self.asked_to_stop,
    )
    seeds = [node.seed for node in batch]
    per_ticket = self._per_ticket(batch[0])
    states, evaluations = fit(
      trainer, starts, seeds, callback.stop, callback, per_ticket
    )
    for node, state, evaluation in zip(batch, states, evaluations, strict=True):
      diverged_at = callback.diverged.get(node.name)
      if diverged_at is None and not math.isfinite(evaluation.loss):
        diverged_at = callback.stop
      with phase('publish'):
        self._publish(node, state, evaluation, diverged_at)
      self._note_divergence(node, diverged_at)
      if diverged_at is None:
        self.done.add(node.name)
      self.tracker.finish(
        node.name,
        callback.stop,
        {'test_accuracy': evaluation.accuracy, 'test_loss': evaluation.loss},
      )
      accuracy = f'accuracy {evaluation.accuracy:.4f}'
      display.finish(node.name, self.failed.get(node.name, accuracy))

  def _publish(
    self,
    node: Run,
    state: TrainState,
    evaluation: Evaluation,
    diverged_at: int | None,
  ) -> None:
    if isinstance(node, Rewind):
      if diverged_at is None:
        ticket = lottery.dense_ticket(
          node.architecture, state.params, state.batch_stats
        )
        self._publish_ticket(node, ticket)
      return
    result = {
      'sparsity': sparsity(state.masks),
      'test_accuracy': evaluation.accuracy,
      'test_loss': evaluation.loss,
      'steps': node.steps,
      'train_flops': train_flops(
        node.architecture.multiply_adds(),
        densities_in_training(state, node.steps),
        round(node.images),
      ),
      'diverged_at': diverged_at,
      'collapsed': collapsed(state.masks),
    }
    ticket = trained(node, state, result, self.nodes, self.store)
    self._publish_run(node, result, ticket)

  def _start(self, node: Run, trainer: Trainer) -> TrainState:
    """Where a run starts: its ticket, or its last good checkpoint."""
    if isinstance(node, Rewind):
      fresh = node.architecture.init(node.seed)
      ticket = lottery.dense_ticket(
        node.architecture, fresh['params'], fresh['batch_stats']
      )
    else:
      ticket = self.store.ticket(self.nodes[node.parents['ticket']])
    keep = ticket.provenance.get('keep', 0)
    state = trainer.start(ticket, node.start, keep, node.seed)
    step = self.recovery.step(node)
    if step is None:
      return state
    folder = self.store.partial(node)
    return checkpoint.restore(folder, step, state, node.key)

  def _resumed_step(self, node: Run) -> int:
    saved = self.recovery.step(node)
    return node.start if saved is None else saved

  def _trainer(self, node: Run) -> Trainer:
    key = _compiled(node)
    if key not in self._trainers:
      self._trainers[key] = self._make_trainer(node)
    return self._trainers[key]

  def _make_trainer(self, node: Run) -> Trainer:
    placement = self.parallel.placement(
      node.architecture, node.recipe.batch_size, self.hosts.devices
    )
    steps = CompiledSteps
    if self.hosts.count > 1:
      number = len(self._trainers)
      steps = functools.partial(LedSteps, hosts=self.hosts, trainer=number)
    self.hosts.tell('trainer', node=node.name, placement=numbered(placement))
    return make_trainer(node, self.data, self.options, placement, steps)

  def _lanes(self, node: Run) -> int:
    return self.parallel.lanes(
      node.architecture, node.recipe.batch_size, self.hosts.devices
    )

  def _work(self, node: Run) -> float:
    """A run's cost for the estimate of time left: as if it were dense."""
    return sum(node.architecture.multiply_adds().values()) * node.steps

  def _leave_if_asked(self) -> None:
    if self.asked_to_stop():
      raise StudyStopped


def _compiled(node: Run) -> tuple:
  """What a training run's compiled functions depend on."""
  dynamic = json.dumps(node.dynamic, sort_keys=True)
  return node.architecture, node.recipe, dynamic, node.data.dataset


def densities_in_training(state: TrainState, steps: int) -> dict[str, float]:
  """The share of weights that each leaf kept, on average over training."""
  if 'used' in state.dynamic:
    used = state.dynamic['used']
    return {name: float(total) / steps for name, total in used.items()}
  return layer_densities(state.masks)
