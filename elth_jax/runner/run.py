"""Runs a study: every node once, alike ones side by side."""

import json
import math
from collections.abc import Callable, Mapping

from elth_jax.datasets import Dataset, Stream
from elth_jax.masks import (
  apply_masks,
  collapsed,
  layer_densities,
  sparsity,
)
from elth_jax.methods import lottery
from elth_jax.nn.cost import train_flops
from elth_jax.process.phases import phase
from elth_jax.process.signals import StudyStopped
from elth_jax.runner.analyse import compare_masks, connect
from elth_jax.runner.callbacks import BatchCallback
from elth_jax.runner.derive import make_ticket, sign
from elth_jax.runner.progress import ProgressDisplay
from elth_jax.storage.manifest import DamagedError
from elth_jax.study.nodes import Node
from elth_jax.study.parallel import Parallel
from elth_jax.study.spec import RunOptions
from elth_jax.tickets.ticket import Ticket
from elth_jax.training import checkpoint
from elth_jax.training.loop import Evaluation, fit
from elth_jax.training.recipe import Recipe
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
  """

  def __init__(
    self,
    nodes: dict[str, Node],
    store: Store,
    data: Mapping[str, Dataset | Stream],
    options: RunOptions,
    asked_to_stop: Callable[[], bool] = lambda: False,
  ):
    self.nodes = nodes
    self.store = store
    self.data = data
    self.replicates = 1 + max(
      node.spec['about']['replicate'] for node in nodes.values()
    )
    self.options = options
    self.parallel = Parallel.parse(options.parallel)
    self.asked_to_stop = asked_to_stop
    self.recovery = Recovery(nodes, store)
    self.done = self.recovery.done
    self.failed: dict[str, str] = {}
    for node in nodes.values():
      if node.name in self.done and node.kind in ('train', 'twin'):
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
    runs = [node for node in self.nodes.values() if node.trains]
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

  def _make_tickets_and_list_ready(self) -> list[Node]:
    """Makes every ticket that can be made; the runs that can start."""
    ready = []
    for node in self.nodes.values():
      if node.name in self.done or node.name in self.failed:
        continue
      broken = [p for p in node.parents.values() if p in self.failed]
      if broken:
        self.failed[node.name] = f'needs {broken[0]}, which failed'
      elif self.done >= set(node.parents.values()):
        if node.trains:
          ready.append(node)
        else:
          self._leave_if_asked()
          with phase('tickets' if node.makes_ticket else 'analysis'):
            self._derive(node)
          self.done.add(node.name)
    return ready

  def _derive(self, node: Node) -> None:
    """Does what needs no training: makes a ticket, or analyses."""
    if node.kind == 'connect':
      run = self.nodes[node.parents['one']]
      result = connect(node, self.nodes, self.store, self._trainer(run))
      self._publish_run(node, result)
    elif node.kind == 'overlap':
      result = compare_masks(node, self.nodes, self.store)
      self._publish_run(node, result)
    else:
      ticket = make_ticket(node, self.nodes, self.store, self.data)
      self._publish_ticket(node, ticket)

  def _publish_run(self, node: Node, result, variables=None) -> None:
    hashes = self.store.digests(self.nodes, node)
    self.store.publish_run(node, result, hashes, variables)

  def _publish_ticket(self, node: Node, ticket: Ticket) -> None:
    signed = sign(ticket, node, self.nodes, self.store)
    self.store.publish_ticket(node, signed)

  def _pick(self, ready: list[Node]) -> list[Node]:
    """The next batch: alike in all that is compiled, and at one step.

    Batches that fill the lanes go first, since what is left over may find
    company when more is ready.
    """
    groups: dict[tuple, list[Node]] = {}
    for node in ready:
      step, share = self._resumed_step(node), self._share(node)
      head = node.spec['about'].get('head')  # a fresh one has no mask
      alike = (*_compiled(node), node.spec['stop'], step, share, head)
      groups.setdefault(alike, []).append(node)
    lanes = {
      key: max(self._lanes(group[0]) // self._share(group[0]), 1)
      for key, group in groups.items()
    }
    full = [key for key, group in groups.items() if len(group) >= lanes[key]]
    chosen = (full or list(groups))[0]
    return groups[chosen][: lanes[chosen]]

  def _share(self, node: Node) -> int:
    """How many devices share a run.

    As many as suit it beside its replicates, which are ready together: what it
    runs beside, and so what is left after a kill, must not change how it
    rounds.
    """
    lanes, replicates = self._lanes(node), self.replicates
    place = node.spec['about']['replicate']
    together = min(lanes, replicates - place // lanes * lanes)
    return self._trainer(node).share(together)

  def _train(self, batch: list[Node], display: ProgressDisplay) -> None:
    self._leave_if_asked()
    trainer = self._trainer(batch[0])
    starts = [self._start(node, trainer) for node in batch]
    callback = BatchCallback(
      batch,
      int(starts[0].step),
      sum(map(self._work, batch)),
      self.store,
      display,
      self.options.checkpoint_seconds,
      self.asked_to_stop,
    )
    seeds = [node.spec['seed'] for node in batch]
    share = self._share(batch[0])
    states, evaluations = fit(
      trainer, starts, seeds, callback.stop, callback, share
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
      accuracy = f'accuracy {evaluation.accuracy:.4f}'
      display.finish(node.name, self.failed.get(node.name, accuracy))

  def _publish(
    self,
    node: Node,
    state: TrainState,
    evaluation: Evaluation,
    diverged_at: int | None,
  ) -> None:
    if node.kind == 'rewind':
      if diverged_at is None:
        ticket = lottery.dense_ticket(
          node.architecture, state.params, state.batch_stats
        )
        self._publish_ticket(node, ticket)
      return
    steps = node.spec['stop'] - node.spec['start']
    examples = node.spec['examples']
    recipe = Recipe(**node.spec['recipe'])
    result = {
      'sparsity': sparsity(state.masks),
      'test_accuracy': evaluation.accuracy,
      'test_loss': evaluation.loss,
      'steps': steps,
      'train_flops': train_flops(
        node.architecture.multiply_adds(),
        densities_in_training(state, steps),
        round(steps / recipe.steps_per_epoch(examples) * examples),
      ),
      'diverged_at': diverged_at,
      'collapsed': collapsed(state.masks),
    }
    trained = {
      'params': apply_masks(state.params, state.masks),
      'batch_stats': state.batch_stats,
    }
    self._publish_run(node, result, trained)

  def _start(self, node: Node, trainer: Trainer) -> TrainState:
    """Where a run starts: its ticket, or its last good checkpoint."""
    if node.kind == 'rewind':
      fresh = node.architecture.init(node.spec['seed'])
      ticket = lottery.dense_ticket(
        node.architecture, fresh['params'], fresh['batch_stats']
      )
    else:
      ticket = self.store.ticket(self.nodes[node.parents['ticket']])
    keep = ticket.provenance.get('keep', 0)
    seed = node.spec['seed']
    state = trainer.start(ticket, node.spec['start'], keep, seed)
    step = self.recovery.step(node)
    if step is None:
      return state
    folder = self.store.partial(node)
    return checkpoint.restore(folder, step, state, node.key)

  def _resumed_step(self, node: Node) -> int:
    saved = self.recovery.step(node)
    return node.spec['start'] if saved is None else saved

  def _trainer(self, node: Node) -> Trainer:
    key = _compiled(node)
    if key not in self._trainers:
      recipe = Recipe(**node.spec['recipe'])
      self._trainers[key] = Trainer(
        node.architecture,
        recipe,
        self.data[node.spec['dataset']],
        dynamic=node.spec.get('dynamic'),
        deterministic=self.options.deterministic,
        native=self.options.native,
        **self.parallel.placement(node.architecture, recipe.batch_size),
      )
    return self._trainers[key]

  def _lanes(self, node: Node) -> int:
    batch_size = node.spec['recipe']['batch_size']
    return self.parallel.lanes(node.architecture, batch_size)

  def _work(self, node: Node) -> float:
    """A run's cost for the estimate of time left: as if it were dense."""
    multiply_adds = sum(node.architecture.multiply_adds().values())
    return multiply_adds * (node.spec['stop'] - node.spec['start'])

  def _leave_if_asked(self) -> None:
    if self.asked_to_stop():
      raise StudyStopped


def _compiled(node: Node) -> tuple:
  """What a training run's compiled functions depend on."""
  spec = node.spec
  settings = spec['recipe'], spec.get('dynamic'), spec['dataset']
  return node.architecture, json.dumps(settings, sort_keys=True)


def densities_in_training(state: TrainState, steps: int) -> dict[str, float]:
  """The share of weights that each leaf kept, on average over training."""
  if 'used' in state.dynamic:
    used = state.dynamic['used']
    return {name: float(total) / steps for name, total in used.items()}
  return layer_densities(state.masks)
