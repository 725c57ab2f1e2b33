"""What happens between the dispatches of a batch of training runs."""

import time
from collections.abc import Callable, Sequence

from elth_jax.process.phases import phase
from elth_jax.process.signals import StudyStopped
from elth_jax.study.nodes import Run
from elth_jax.training import checkpoint
from elth_jax.training.loop import Segment
from elth_jax.workdir.leases import LeaseLostError
from elth_jax.workdir.store import Store


class BatchCallback:
  """Logs, shows, checkpoints and stops a batch; called after each dispatch.

  Args:
    nodes: the runs that are trained together.
    start: the step at which they start.
    work: what the batch costs in all, in the unit of `advance`.
    store: where metrics and checkpoints go.
    advance: told what is done, and how much work that was.
    checkpoint_seconds: how often states are saved.
    asked_to_stop: if true, states are saved and `StudyStopped` is raised.

  Attributes:
    diverged: name of a run -> the first step whose loss was not finite.
  """

  def __init__(
    self,
    nodes: Sequence[Run],
    start: int,
    work: float,
    store: Store,
    advance: Callable[[str, float], None],
    checkpoint_seconds: float,
    asked_to_stop: Callable[[], bool],
  ):
    self.nodes = nodes
    self.stop = nodes[0].stop
    self.step = start
    self.work_per_step = work / max(self.stop - start, 1)
    self.store = store
    self.advance = advance
    self.checkpoint_seconds = checkpoint_seconds
    self.asked_to_stop = asked_to_stop
    self.diverged: dict[str, int] = {}
    self.saved = time.monotonic()
    others = f' and {len(nodes) - 1} like it' if len(nodes) > 1 else ''
    self.name = nodes[0].name + others
    advance(self.name, 0)

  def __call__(self, segment: Segment) -> None:
    self.check_leases()
    self._log(segment)
    self.advance(
      f'{self.name}, step {segment.step}/{self.stop}, '
      f'training accuracy {segment.accuracy.mean():.3f}',
      (segment.step - self.step) * self.work_per_step,
    )
    self.step = segment.step
    asked = self.asked_to_stop()
    overdue = time.monotonic() - self.saved > self.checkpoint_seconds
    if (asked or overdue) and segment.step < self.stop:
      with phase('checkpoint'):
        self._save(segment)
      self.saved = time.monotonic()
      if asked:
        raise StudyStopped

  def check_leases(self) -> None:
    """Leaves the batch if another process has taken over one of its runs.

    Raises:
      LeaseLostError: naming the run.
    """
    for node in self.nodes:
      if not self.store.leases.holds(node.name):
        raise LeaseLostError(f'{node.name} is done by another process now')

  def _save(self, segment: Segment) -> None:
    """Checkpoints all runs but diverged ones, which will diverge again."""
    self.store.metrics.sync([node.name for node in self.nodes])
    for node, state in zip(self.nodes, segment.states(), strict=True):
      if node.name not in self.diverged:
        folder = self.store.partial(node)
        checkpoint.save(folder, state, node.key, self.store.kernels)

  def _log(self, segment: Segment) -> None:
    for i, node in enumerate(self.nodes):
      loss = float(segment.loss[i])
      if segment.diverged[i] >= 0:
        self.diverged.setdefault(node.name, int(segment.diverged[i]))
      self.store.metrics.log(
        node=node.name,
        step=segment.step,
        epoch=segment.epoch,
        loss=loss,
        train_accuracy=float(segment.accuracy[i]),
        seconds=round(segment.seconds, 4),
        tickets=len(self.nodes),
        time=round(time.time(), 2),
      )
