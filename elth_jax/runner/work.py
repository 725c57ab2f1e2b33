"""Does batches of nodes: trains, makes tickets and analyses, and publishes."""

import contextlib
import math
from collections.abc import Callable, Generator, Mapping, Sequence

from elth_jax.datasets import Dataset, Stream
from elth_jax.masks import collapsed, layer_densities, sparsity
from elth_jax.methods import lottery
from elth_jax.nn.cost import train_flops
from elth_jax.process.phases import phase
from elth_jax.process.signals import StudyStopped
from elth_jax.runner.analysis_results import compare_masks, connect
from elth_jax.runner.batch import Batch, Outcome
from elth_jax.runner.callbacks import BatchCallback
from elth_jax.runner.derive import derived, pruned, sign, trained
from elth_jax.runner.trainers import Trainers
from elth_jax.storage.manifest import DamagedError
from elth_jax.study.nodes import (
  Connect,
  Derive,
  MaskOverlap,
  Node,
  Prune,
  Rewind,
  Run,
  TicketNode,
)
from elth_jax.tickets.ticket import Ticket
from elth_jax.training import checkpoint
from elth_jax.training.loop import Evaluation, fit
from elth_jax.training.state import TrainState
from elth_jax.training.trainer import Trainer
from elth_jax.workdir.checkpoints import Checkpoints
from elth_jax.workdir.leases import LeaseLostError
from elth_jax.workdir.store import Store

Note = Callable[[Outcome], None]
Advance = Callable[..., None]  # what is done, how much of it, and details


class Worker:
  """Does batches of one study's nodes in this process.

  Args:
    nodes: the graph.
    store: where finished nodes are kept.
    data: name -> data set, as nodes name it.
    trainers: what is compiled.
    checkpoints: of runs that are half done.
    checkpoint_seconds: how often the state of a training run is saved.
    asked_to_stop: looked at between dispatches.
  """

  def __init__(
    self,
    nodes: Mapping[str, Node],
    store: Store,
    data: Mapping[str, Dataset | Stream],
    trainers: Trainers,
    checkpoints: Checkpoints,
    checkpoint_seconds: float,
    asked_to_stop: Callable[[], bool] = lambda: False,
  ):
    self.nodes = nodes
    self.store = store
    self.data = data
    self.trainers = trainers
    self.checkpoints = checkpoints
    self.checkpoint_seconds = checkpoint_seconds
    self.asked_to_stop = asked_to_stop

  def do(
    self,
    batch: Batch,
    note: Note,
    advance: Advance = lambda what, work, *details: None,
  ) -> None:
    """Does what it can of a batch.

    Where processes share the workdir, nodes of others are left to them.

    Args:
      batch: of nodes whose parents are done.
      note: told what became of each node, once that is published.
      advance: told of progress, in the unit of `work`.

    Raises:
      StudyStopped: when asked to stop; runs have checkpoints then.
      DamagedError: if a parent or a checkpoint is damaged.
    """
    with self._claimed(batch.nodes, note) as mine:
      runs = [node for node in mine if isinstance(node, Run)]
      for node in mine:
        if node not in runs:
          self._leave_if_asked()
          named = 'tickets' if isinstance(node, TicketNode) else 'analysis'
          with self._unless_taken_over([node], note), phase(named):
            self._derive(node, batch)
            note(Outcome(node.name, 'done'))
      for alike in self._at_one_step(runs, note):
        with self._unless_taken_over(alike, note):
          self._train(alike, batch, note, advance)

  @contextlib.contextmanager
  def _claimed(
    self, names: Sequence[str], note: Note
  ) -> Generator[Sequence[Node]]:
    """The nodes of a batch that are left for this process."""
    leases, mine = self.store.leases, []
    try:
      for name in names:
        node = self.nodes[name]
        if not leases.claim(name):
          note(Outcome(name, 'busy'))
          continue
        mine.append(node)
      yield [node for node in mine if not self._is_found(node, note)]
    finally:
      for node in mine:
        leases.release(node.name)

  @contextlib.contextmanager
  def _unless_taken_over(
    self, nodes: Sequence[Node], note: Note
  ) -> Generator[None]:
    """Leaves nodes that another process took over while this one was silent.

    What fails here then may fail because the other one has removed files.
    """
    try:
      yield
    except (LeaseLostError, OSError, DamagedError):
      if all(self.store.leases.holds(node.name) for node in nodes):
        raise
      for node in nodes:
        note(Outcome(node.name, 'busy'))

  def _is_found(self, node: Node, note: Note) -> bool:
    """Whether another process has finished a node by now."""
    if not self.store.shared or not self.store.product(node).exists():
      return False
    note(Outcome(node.name, 'found'))
    return True

  def _at_one_step(self, runs: Sequence[Run], note: Note) -> list[list[Run]]:
    """Runs by the step from which they go on, if they are still this one's."""
    found: dict[int, list[Run]] = {}
    for node in runs:
      if self.store.shared:  # another process may have gone on with it
        self.checkpoints.forget(node)
      step = self.checkpoints.step(node)
      if not self.store.leases.holds(node.name):  # reading took long
        note(Outcome(node.name, 'busy'))
        continue
      self.store.begin_metrics(node, step)
      found.setdefault(step, []).append(node)
    return list(found.values())

  def _derive(self, node: Node, batch: Batch) -> None:
    """Does what needs no training: makes a ticket, or analyses."""
    if isinstance(node, Prune):
      self._publish_ticket(node, pruned(node, self.nodes, self.store))
    elif isinstance(node, Derive):
      ticket = derived(node, self.nodes, self.store, self.data)
      self._publish_ticket(node, ticket)
    elif isinstance(node, Connect):
      one = self.nodes[node.parents['one']]
      assert isinstance(one, Run)
      trainer = self.trainers.get(one, batch.placement)
      result = connect(node, self.nodes, self.store, trainer)
      self._publish_run(node, result)
    elif isinstance(node, MaskOverlap):
      result = compare_masks(node, self.nodes, self.store)
      self._publish_run(node, result)
    else:
      raise TypeError(f'{node.name}: nothing is known to do for {node.kind!r}')

  def _publish_run(self, node: Node, result, ticket=None) -> None:
    hashes = self.store.digests(self.nodes, node)
    self.store.publish_run(node, result, hashes, ticket)

  def _publish_ticket(self, node: TicketNode, ticket: Ticket) -> None:
    signed = sign(ticket, node, self.nodes, self.store)
    self.store.publish_ticket(node, signed)

  def _train(
    self, runs: Sequence[Run], batch: Batch, note: Note, advance: Advance
  ) -> None:
    self._leave_if_asked()
    trainer = self.trainers.get(runs[0], batch.placement)
    starts = [self._start(node, trainer) for node in runs]
    callback = BatchCallback(
      runs,
      int(starts[0].step),
      sum(map(work, runs)),
      self.store,
      advance,
      self.checkpoint_seconds,
      self.asked_to_stop,
    )
    seeds = [node.seed for node in runs]
    states, evaluations = fit(
      trainer, starts, seeds, callback.stop, callback, batch.per_ticket
    )
    callback.check_leases()
    for node, state, evaluation in zip(runs, states, evaluations, strict=True):
      diverged_at = callback.diverged.get(node.name)
      if diverged_at is None and not math.isfinite(evaluation.loss):
        diverged_at = callback.stop
      with phase('publish'):
        self._publish(node, state, evaluation, diverged_at)
      if diverged_at is None:
        text = f'accuracy {evaluation.accuracy:.4f}'
        note(Outcome(node.name, 'done', text))
      else:
        note(Outcome(node.name, 'failed', diverged(diverged_at)))

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
    step = self.checkpoints.saved_step(node)
    if step is None:
      return state
    folder = self.store.partial(node)
    return checkpoint.restore(folder, step, state, node.key)

  def _leave_if_asked(self) -> None:
    if self.asked_to_stop():
      raise StudyStopped


def diverged(step: int) -> str:
  """Why a run failed whose loss was no longer finite."""
  return f'diverged at step {step}'


def work(node: Run) -> float:
  """A run's cost for the estimate of time left: as if it were dense."""
  return sum(node.architecture.multiply_adds().values()) * node.steps


def densities_in_training(state: TrainState, steps: int) -> dict[str, float]:
  """The share of weights that each leaf kept, on average over training."""
  if 'used' in state.dynamic:
    used = state.dynamic['used']
    return {name: float(total) / steps for name, total in used.items()}
  return layer_densities(state.masks)
