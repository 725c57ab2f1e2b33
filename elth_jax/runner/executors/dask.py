"""The executor `dask`: workers of a Dask cluster do the batches.

It starts a scheduler and workers on this machine, or joins a cluster. Dask
carries batches and watches that workers live. That nothing is lost or done
twice does not depend on it: leases, keys and exclusive publishing see to that.
"""

import contextlib
import dataclasses
import importlib.util
import math
import queue
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

from elth_jax.process.connection import HostsError
from elth_jax.process.signals import StudyStopped
from elth_jax.runner import dask_cluster, remote
from elth_jax.runner.batch import Batch
from elth_jax.runner.crew import Crew
from elth_jax.runner.executors.registry import (
  EXECUTORS,
  ExecutorContext,
  ExecutorEntry,
)
from elth_jax.storage.manifest import DamagedError
from elth_jax.study.spec import RunOptions
from elth_jax.training import checkpoint
from elth_jax.workdir.leases import Leases

WAIT_SECONDS = 0.5  # for an outcome, until progress is shown
TEND_SECONDS = 2.0  # between looks at who works
STOP_SECONDS = 60.0  # that workers have for their last checkpoints
# without a heartbeat, until a worker's batches are given to others: importing
# and tracing keep a sound one from answering
SILENT_SECONDS = 30.0
AHEAD = 4  # batches for each worker, so that none waits for the next one
MOST_LOSSES = 10  # of one batch at one checkpoint; then it is at fault


@dataclasses.dataclass(frozen=True)
class _Heard:
  """The last heartbeat of a worker.

  Attributes:
    name: of the worker.
    beat: what the scheduler notes of it.
    at: when this process saw that it is a new one.
  """

  name: str
  beat: float
  at: float


class DaskExecutor:
  """Carries batches to the workers of a Dask cluster.

  Args:
    context: what executors work with.
    client: of the cluster.
    leases: of the driver.
    crew: the workers, if they are this process's own.
  """

  def __init__(
    self,
    context: ExecutorContext,
    client: Any,
    leases: Leases,
    crew: Crew | None,
  ):
    self._context = context
    self._client = client
    self._leases = leases
    self._crew = crew
    self.sharing = context.options.workers if crew else 1
    self.workers = self.sharing
    self._pending: dict[Any, Batch] = {}  # future -> batch
    self._bound: dict[Any, set[str]] = {}  # future -> workers that may do it
    self._fit_at = time.monotonic()  # when a worker was last fit
    self._ended: queue.Queue[Any] = queue.Queue()
    self._losses: dict[tuple, int] = {}  # batch and where it was -> times
    self._unfit: dict[str, str] = {}  # address -> why
    self._heard: dict[str, _Heard] = {}  # by address
    self._abandoned: dict[Any, float] = {}  # future -> since when
    self._tended = -math.inf

  def has_room(self) -> bool:
    some = self._allowed() != set()
    return some and len(self._pending) < AHEAD * self.workers

  def running(self) -> set[str]:
    return {name for batch in self._pending.values() for name in batch.nodes}

  def submit(self, batch: Batch) -> None:
    allowed = self._allowed()
    future = self._client.submit(
      remote.carry,
      self._context.opener,
      self._context.order,
      batch,
      workers=None if allowed is None else sorted(allowed),
      pure=False,
      key=f'{batch.nodes[0]}-and-{len(batch.nodes) - 1}-{time.monotonic_ns()}',
    )
    self._pending[future] = batch
    if allowed is not None:
      self._bound[future] = allowed
    future.add_done_callback(self._ended.put)

  def wait(self) -> None:
    if self._context.asked_to_stop():
      self._stop()
      raise StudyStopped
    self._leases.touch()
    self._tend()
    with contextlib.suppress(queue.Empty):
      self._finish(self._ended.get(timeout=WAIT_SECONDS))
      while True:
        self._finish(self._ended.get_nowait())

  def _finish(self, future: Any) -> None:
    """Notes what became of a batch; what is left is submitted again later."""
    batch = self._pending.pop(future, None)
    self._bound.pop(future, None)
    if batch is None:  # given up before
      return
    if future.status != 'finished':
      self._lose(batch, f'{future.status}: {_why(future)}')
      return
    reply: remote.Reply = future.result()
    for outcome in reply.outcomes:
      self._context.note(outcome)
    if reply.failure:
      self._fail(reply, reply.failure, batch)

  def _fail(
    self, reply: remote.Reply, failure: remote.Failure, batch: Batch
  ) -> None:
    if failure.kind == 'damaged':
      raise DamagedError(Path(failure.path), failure.text)
    if failure.kind == 'error':
      raise HostsError(
        f'{reply.worker} failed at {_named(batch)}: {failure.text}'
      )
    if failure.kind == 'stopped':  # it has not heard of this driver for long
      return
    why = f'{reply.worker} takes no more of this study: {failure.text}'
    self._context.say(why)
    self._unfit[reply.address] = why

  def _lose(self, batch: Batch, why: str) -> None:
    worker = self._context.worker
    places = [worker.store.partial(worker.nodes[name]) for name in batch.nodes]
    where = *batch.nodes, *(tuple(checkpoint.steps(one)) for one in places)
    self._losses[where] = self._losses.get(where, 0) + 1
    if self._losses[where] > MOST_LOSSES:
      raise HostsError(f'{_named(batch)} ends its workers: {why}')
    self._context.say(f'{_named(batch)} is given to another worker: {why}')

  def _tend(self) -> None:
    """Looks at who works: starts ended workers again, gives up silent ones."""
    now = time.monotonic()
    if now - self._tended < TEND_SECONDS:
      return
    self._tended = now
    self._listen(now)
    self._require_fit(now)
    for future, allowed in list(self._bound.items()):
      if not allowed & self._heard.keys():
        self._give_up(future, f'{", ".join(sorted(allowed))} left')
    if self._crew:
      self._crew.tend({heard.name for heard in self._heard.values()})
    silent = self._silent()
    for address, keys in self._client.processing().items():
      if address in silent:
        for future in [one for one in self._pending if one.key in keys]:
          self._give_up(future, f'{address} does not answer')
    if self._crew:
      self._crew.kill({self._heard[address].name for address in silent})
    abandoned = self._leases.abandoned()
    for future, batch in list(self._pending.items()):
      owners = {abandoned[name] for name in batch.nodes if name in abandoned}
      if not owners:
        self._abandoned.pop(future, None)
      elif now - self._abandoned.setdefault(future, now) > self._leases.seconds:
        self._end(future, owners)
        self._give_up(future, f'{self._leases.describe(min(owners))} hangs')

  def _listen(self, now: float) -> None:
    """Notes which workers there are, and whose heartbeat is a new one."""
    seen = self._client.run_on_scheduler(_last_seen)
    self._heard = {
      address: before
      if (before := self._heard.get(address)) and before.beat == beat
      else _Heard(name, beat, now)
      for address, (name, beat) in seen.items()
    }
    self._unfit = {one: why for one, why in self._unfit.items() if one in seen}
    if not self._crew:
      self.workers = max(len(seen), 1)

  def _allowed(self) -> set[str] | None:
    """Workers that may have batches; `None` for all, and those to come."""
    fit = self._heard.keys() - self._unfit.keys() - self._silent()
    return None if len(fit) == len(self._heard) else fit

  def _require_fit(self, now: float) -> None:
    """Checks that a worker has been left for the study not long ago.

    One that was fit may be being started again.

    Raises:
      HostsError: saying why none takes it.
    """
    if not self._unfit or self._heard.keys() - self._unfit.keys():
      self._fit_at = now
    elif self._crew is None and now - self._fit_at <= self._patience():
      return
    elif len(self._unfit) >= self.sharing:
      raise HostsError('; '.join(self._unfit.values()))

  def _patience(self) -> float:
    """Seconds of silence after which a worker is not waited for."""
    return max(self._leases.seconds, SILENT_SECONDS)

  def _silent(self) -> set[str]:
    """Workers of which nothing was heard for long."""
    oldest = time.monotonic() - self._patience()
    return {one for one, heard in self._heard.items() if heard.at < oldest}

  def _end(self, future: Any, owners: set[str]) -> None:
    """Has a worker whose run hangs do nothing more."""
    for token in owners:
      for address, keys in self._client.processing().items():
        if future.key in keys and self._crew:
          self._crew.kill({self._heard[address].name})
        elif future.key in keys:
          self._unfit[address] = f'{self._leases.describe(token)} hangs'

  def _give_up(self, future: Any, why: str) -> None:
    """Takes a batch away from a worker."""
    batch = self._pending.pop(future)
    self._bound.pop(future, None)
    self._abandoned.pop(future, None)
    future.cancel()
    self._context.say(f'{_named(batch)} is given to another worker: {why}')

  def _stop(self) -> None:
    """Has the workers save checkpoints: they see that their driver left."""
    self._leases.leave()
    deadline = time.monotonic() + STOP_SECONDS
    while self._pending and time.monotonic() < deadline:
      for future in [one for one in self._pending if one.done()]:
        del self._pending[future]
      time.sleep(0.05)


def _last_seen(dask_scheduler: Any) -> dict[str, tuple[str, float]]:
  """Address of a worker -> its name, and its last heartbeat.

  That is a time by the scheduler's clock; here it only matters that it changes.
  """
  return {
    address: (str(worker.name), worker.last_seen)
    for address, worker in dask_scheduler.workers.items()
  }


def _why(future: Any) -> str:
  try:
    return str(future.exception(timeout=10))
  except Exception as error:  # cancelled, or the scheduler was lost
    return type(error).__name__


def _named(batch: Batch) -> str:
  others = len(batch.nodes) - 1
  return batch.nodes[0] + (f' and {others} like it' if others else '')


def _check(options: RunOptions) -> None:
  if importlib.util.find_spec('distributed') is None:
    raise ValueError(
      'executor is dask, and Dask is not installed; pip install '
      "'elth_jax[dask]'"
    )


@contextlib.contextmanager
def _open(context: ExecutorContext) -> Generator[DaskExecutor]:
  leases = context.worker.store.leases
  assert isinstance(leases, Leases)
  if context.options.scheduler:
    with dask_cluster.joined(context.options.scheduler) as client:
      context.say(f'dashboard: {client.dashboard_link}')
      yield DaskExecutor(context, client, leases, None)
    return
  order = context.order
  with dask_cluster.started(
    order.layout, context.options, order.workdir, context.say
  ) as (client, crew):
    context.say(f'dashboard: {client.dashboard_link}')
    yield DaskExecutor(context, client, leases, crew)


EXECUTORS.register(
  'dask',
  ExecutorEntry(_open, True, 'by workers of a Dask cluster', _check),
)
