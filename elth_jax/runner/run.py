"""Runs a study: every node once, alike ones side by side."""

import contextlib
import time
from collections.abc import Callable, Collection, Generator, Mapping
from typing import Any

from elth_jax.datasets import Dataset, Stream
from elth_jax.process.hosts import Hosts
from elth_jax.process.signals import StudyStopped
from elth_jax.runner.batch import Outcome
from elth_jax.runner.executors import EXECUTORS, Executor, ExecutorContext
from elth_jax.runner.order import Order
from elth_jax.runner.progress import ProgressDisplay
from elth_jax.runner.remote import Opener, open_study
from elth_jax.runner.schedule import Schedule
from elth_jax.runner.trackers import NoTracker, Tracker
from elth_jax.runner.trainers import Trainers
from elth_jax.runner.work import Worker, diverged, work
from elth_jax.storage.manifest import DamagedError
from elth_jax.study.nodes import Node, Rewind, Run
from elth_jax.study.spec import RunOptions
from elth_jax.workdir.recovery import Recovery
from elth_jax.workdir.store import Store

LOOK_SECONDS = 0.5  # between looks at what other processes have done


class Runner:
  """Runs the nodes of one study in one workdir.

  Args:
    nodes: the graph, parents first.
    store: where finished nodes are kept.
    data: name -> data set, as nodes name it.
    options: how they are run.
    order: what workers elsewhere are told.
    asked_to_stop: looked at between dispatches.
    hosts: the processes that train; this one leads them.
    opener: opens the study in a worker process.

  Attributes:
    tracker: what else takes loss and accuracy while it runs.
  """

  def __init__(
    self,
    nodes: dict[str, Node],
    store: Store,
    data: Mapping[str, Dataset | Stream],
    options: RunOptions,
    order: Order,
    asked_to_stop: Callable[[], bool] = lambda: False,
    hosts: Hosts | None = None,
    opener: Opener = open_study,
  ):
    self.nodes = nodes
    self.store = store
    self.options = options
    self.order = order
    self.opener = opener
    self.asked_to_stop = asked_to_stop
    self.recovery = Recovery(nodes, store)
    self.done = self.recovery.done
    self.failed: dict[str, str] = {}
    for name in self.done:
      self._note_divergence(nodes[name])
    checkpoints = self.recovery.checkpoints
    trainers = Trainers(nodes, data, options, hosts)
    self.worker = Worker(
      nodes,
      store,
      data,
      trainers,
      checkpoints,
      options.checkpoint_seconds,
      asked_to_stop,
    )
    self.schedule = Schedule(
      nodes,
      self.done,
      self.failed,
      trainers,
      (lambda node: node.start) if store.shared else checkpoints.step,
    )
    self.tracker: Tracker = NoTracker()
    store.metrics.listener = self._track
    self._looked = 0.0
    self._places = {store.product(node): node.name for node in nodes.values()}
    self._steps: dict[str, int] = {}  # of runs that others log

  def _note_divergence(self, node: Node) -> None:
    """A run that has a result may have failed all the same."""
    if isinstance(node, Run) and not isinstance(node, Rewind):
      step = self.store.result(node)['diverged_at']
      if step is not None:
        self.failed[node.name] = diverged(step)

  def trim_metrics(self, taken: Collection[str] = ()) -> None:
    """Drops what was logged of steps that will be done again.

    Args:
      taken: nodes that were finished elsewhere, of which all is dropped.
    """
    step = self.recovery.checkpoints.step
    self.store.metrics.trim(
      {
        node.name: step(node)
        for node in self.nodes.values()
        if isinstance(node, Run) and node.name not in self.done
      }
      | dict.fromkeys(taken, -1)
    )

  def run(self, between: Callable[[], None] = lambda: None) -> None:
    """Does all that is not done; `StudyStopped` when asked to stop.

    A run that diverges fails alone, with what depends on it: see `failed`.
    What turns out to be damaged when it is used is made again.

    Args:
      between: called again and again, as nodes are finished.
    """
    runs = [node for node in self.nodes.values() if isinstance(node, Run)]
    left = [node for node in runs if node.name not in self.done]
    total = sum(map(work, left))
    with (
      ProgressDisplay(len(runs), len(runs) - len(left), total) as display,
      self._executor(display) as executor,
    ):
      while self._do_more(executor, display, between):
        pass

  @contextlib.contextmanager
  def _executor(self, display: ProgressDisplay) -> Generator[Executor]:
    self._news = self.store.metrics.follow()
    context = ExecutorContext(
      self.worker,
      self.order,
      self.options,
      lambda outcome: self._note(outcome, display),
      display.advance,
      display.say,
      self.asked_to_stop,
      self.opener,
    )
    with EXECUTORS.find(self.options.executor).open(context) as executor:
      yield executor

  def _do_more(
    self,
    executor: Executor,
    display: ProgressDisplay,
    between: Callable[[], None],
  ) -> bool:
    """Submits what is ready and waits a while; whether anything is left."""
    try:
      held = self._look_at_others(executor, display)
      left = self.schedule.left()
      if not left:
        return False
      ready = self.schedule.ready(left, executor.running() | held)
      while ready and executor.has_room():
        batch = self.schedule.pick(ready, executor.workers, executor.sharing)
        executor.submit(batch)
        ready = [node for node in ready if node.name not in batch.nodes]
      if ready or executor.running():  # what is ready found no room
        executor.wait()
      else:
        self._pause()
      between()
    except DamagedError as error:
      self.recovery.repair(error)
    return True

  def _note(self, outcome: Outcome, display: ProgressDisplay) -> None:
    """Notes what became of a node."""
    node = self.nodes[outcome.node]
    if outcome.state == 'busy':
      self.schedule.postpone(node.name)
    elif outcome.state == 'found':
      self._take(node, display)
    else:
      if outcome.state == 'failed':
        self.failed[node.name] = outcome.text
        if outcome.worker:
          display.say(f'{node.name} {outcome.text} ({outcome.worker})')
      if outcome.state == 'done' or not isinstance(node, Rewind):
        self.done.add(node.name)  # a run that diverged has a result too
      if isinstance(node, Run):
        self._track_end(node)
        by = f' ({outcome.worker})' if outcome.worker else ''
        display.finish(node.name, f'{outcome.text}{by}')

  def _take(self, node: Node, display: ProgressDisplay) -> None:
    """Notes a node that another process has finished."""
    if self.store.finished(node):
      self.done.add(node.name)
      self._note_divergence(node)
      if isinstance(node, Run):
        self._track_end(node)
        display.finish(node.name, self.failed.get(node.name, 'done elsewhere'))

  def _look_at_others(
    self, executor: Executor, display: ProgressDisplay
  ) -> set[str]:
    """Takes what other processes have finished; the nodes that they do now."""
    if not self.store.shared:
      return set()
    now = time.monotonic()
    if now - self._looked > LOOK_SECONDS:
      self._looked = now
      self._show_others(display)
      there = self.store.products()
      known = self.done | self.failed.keys() | executor.running()
      for path in there & self._places.keys():
        if self._places[path] not in known:
          self._take(self.nodes[self._places[path]], display)
    return set(self.store.leases.held_by_others())

  def _show_others(self, display: ProgressDisplay) -> None:
    """Shows what runs of other processes have logged since the last look."""
    for line in self._news():
      node = self.nodes.get(line.get('node', ''))
      if isinstance(node, Run):
        step = line['step']
        before = self._steps.get(node.name, node.start)
        self._steps[node.name] = step
        self._track(line)
        display.advance(
          node.name,
          work(node) / max(node.steps, 1) * max(step - before, 0),
          f'step {step}/{node.stop}',
          f'training accuracy {line["train_accuracy"]:.3f}',
        )

  def _track(self, line: Mapping[str, Any]) -> None:
    """Gives a line of the log to the tracker."""
    values = {name: line[name] for name in ('loss', 'train_accuracy')}
    self.tracker.log(line['node'], line['step'], values)

  def _track_end(self, node: Run) -> None:
    """Gives the result of a run that is done to the tracker, if it has one."""
    if isinstance(self.tracker, NoTracker):
      return
    values: dict[str, float] = {}
    ended_well = node.name in self.done and node.name not in self.failed
    if ended_well and not isinstance(node, Rewind):
      result = self.store.result(node)
      values = {name: result[name] for name in ('test_accuracy', 'test_loss')}
    self.tracker.finish(node.name, node.stop, values)

  def _pause(self) -> None:
    """Waits for other processes."""
    if self.asked_to_stop():
      raise StudyStopped
    self.store.leases.touch()
    if self.store.shared:
      time.sleep(LOOK_SECONDS / 2)
