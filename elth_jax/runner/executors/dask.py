"""The executor `dask`: workers of a Dask cluster do the batches.

It starts a scheduler and workers on this machine, or joins a cluster. Dask
carries batches and watches that workers live. That nothing is lost or done
twice does not depend on it: leases, keys and exclusive publishing see to that.
"""

import contextlib
import importlib.util
import logging
import math
import queue
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from elth_jax.process.connection import HostsError
from elth_jax.process.signals import StudyStopped
from elth_jax.runner import remote
from elth_jax.runner.batch import Batch
from elth_jax.runner.crew import Crew
from elth_jax.runner.executors.registry import (
  EXECUTORS,
  ExecutorEntry,
  Setting,
)
from elth_jax.storage.manifest import DamagedError
from elth_jax.study.spec import RunOptions
from elth_jax.workdir.leases import Leases

CONNECT_SECONDS = 30.0
WAIT_SECONDS = 0.5  # for an outcome, until progress is shown
TEND_SECONDS = 2.0  # between looks at who works
STOP_SECONDS = 60.0  # that workers have for their last checkpoints
AHEAD = 2  # batches for each worker, so that none waits for the next one
MOST_LOSSES = 10  # of one batch; then it is at fault


class DaskExecutor:
  """Carries batches to the workers of a Dask cluster.

  Args:
    setting: what executors work with.
    client: of the cluster.
    leases: of the driver.
    crew: the workers, if they are this process's own.
  """

  def __init__(
    self, setting: Setting, client: Any, leases: Leases, crew: Crew | None
  ):
    self._setting = setting
    self._client = client
    self._leases = leases
    self._crew = crew
    self.sharing = setting.options.workers if crew else 1
    self.workers = self.sharing
    self._pending: dict[Any, Batch] = {}  # future -> batch
    self._ended: queue.Queue[Any] = queue.Queue()
    self._losses: dict[tuple[str, ...], int] = {}
    self._unfit: dict[str, str] = {}  # address -> why
    self._silent: dict[Any, float] = {}  # future -> since when
    self._tended = -math.inf

  def has_room(self) -> bool:
    return len(self._pending) < AHEAD * self.workers

  def running(self) -> set[str]:
    return {name for batch in self._pending.values() for name in batch.nodes}

  def submit(self, batch: Batch) -> None:
    allowed = None
    if self._unfit:
      allowed = [one for one in self._addresses() if one not in self._unfit]
      if not allowed:
        raise HostsError('; '.join(self._unfit.values()))
    future = self._client.submit(
      remote.carry,
      self._setting.opener,
      self._setting.order,
      batch,
      workers=allowed,
      pure=False,
      key=f'{batch.nodes[0]}-and-{len(batch.nodes) - 1}-{time.monotonic_ns()}',
    )
    self._pending[future] = batch
    future.add_done_callback(self._ended.put)

  def wait(self) -> None:
    if self._setting.asked_to_stop():
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
    if batch is None:  # given up before
      return
    if future.status != 'finished':
      self._lose(batch, f'{future.status}: {_why(future)}')
      return
    reply: remote.Reply = future.result()
    for outcome in reply.outcomes:
      self._setting.note(outcome)
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
      self._lose(batch, 'it took this process for dead')
      return
    why = f'{reply.worker} takes no more of this study: {failure.text}'
    self._setting.say(why)
    self._unfit[reply.address] = why

  def _lose(self, batch: Batch, why: str) -> None:
    losses = self._losses[batch.nodes] = self._losses.get(batch.nodes, 0) + 1
    if losses > MOST_LOSSES:
      raise HostsError(f'{_named(batch)} ends its workers: {why}')
    self._setting.say(f'{_named(batch)} is given to another worker: {why}')

  def _tend(self) -> None:
    """Looks at who works: starts ended workers again, gives up silent ones."""
    now = time.monotonic()
    if now - self._tended < TEND_SECONDS:
      return
    self._tended = now
    if self._crew:
      self._crew.tend()
    else:
      self.workers = max(len(self._addresses()), 1)
    abandoned = self._leases.abandoned()
    for future, batch in list(self._pending.items()):
      owners = {abandoned[name] for name in batch.nodes if name in abandoned}
      if not owners:
        self._silent.pop(future, None)
      elif now - self._silent.setdefault(future, now) > self._leases.seconds:
        self._give_up(future, batch, owners)

  def _give_up(self, future: Any, batch: Batch, owners: set[str]) -> None:
    """Takes a batch away from a worker that hangs."""
    del self._pending[future]
    for token in owners:
      owner = self._leases.owner_of(token)
      if owner is None or not (self._crew and self._crew.kill(owner.pid)):
        for address, keys in self._client.processing().items():
          if future.key in keys:
            self._unfit[address] = f'{self._leases.describe(token)} hangs'
    self._lose(batch, f'{self._leases.describe(min(owners))} hangs')
    future.cancel()

  def _addresses(self) -> list[str]:
    return list(self._client.nthreads())

  def _stop(self) -> None:
    """Has the workers save checkpoints: they see that their driver left."""
    self._leases.leave()
    deadline = time.monotonic() + STOP_SECONDS
    while self._pending and time.monotonic() < deadline:
      for future in [one for one in self._pending if one.done()]:
        del self._pending[future]
      time.sleep(0.05)


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
def _open(setting: Setting) -> Iterator[DaskExecutor]:
  leases = setting.worker.store.leases
  assert isinstance(leases, Leases)
  if setting.options.scheduler:
    with _joined(setting.options.scheduler) as client:
      setting.say(f'dashboard: {client.dashboard_link}')
      try:
        yield DaskExecutor(setting, client, leases, None)
      finally:
        with contextlib.suppress(Exception):  # the cluster may be gone
          client.run(remote.forget, wait=False)
    return
  with _started(setting) as (client, crew):
    setting.say(f'dashboard: {client.dashboard_link}')
    yield DaskExecutor(setting, client, leases, crew)


@contextlib.contextmanager
def _joined(scheduler: str) -> Iterator[Any]:
  """A client of a cluster that is there.

  Raises:
    HostsError: if it cannot be reached.
  """
  import distributed

  is_file = scheduler.endswith('.json') or Path(scheduler).is_file()
  place = {'scheduler_file' if is_file else 'address': scheduler}
  try:
    client = distributed.Client(**place, timeout=CONNECT_SECONDS)
  except (OSError, ValueError) as error:
    raise HostsError(
      f'scheduler {scheduler} cannot be reached: {error}; start one by `dask '
      'scheduler`, or give another --config.scheduler'
    ) from error
  with client:
    yield client


@contextlib.contextmanager
def _started(setting: Setting) -> Iterator[tuple[Any, Crew]]:
  """A scheduler in this process, and workers on this machine."""
  import dask
  import distributed

  layout, options = setting.order.layout, setting.options
  if layout['platform'] != 'cpu':
    raise HostsError(
      f'executor=dask starts workers for CPUs alone, and this process has a '
      f'{layout["platform"]}; start a Dask worker for each of them and give '
      '--config.scheduler, see docs/cluster.md'
    )
  changes = {
    'distributed.scheduler.allowed-failures': 1000,
    # imports and compilation keep a worker from answering for seconds
    'distributed.scheduler.worker-ttl': f'{max(options.lease_seconds, 60)}s',
  }
  with (
    _quiet(),
    dask.config.set(changes),
    distributed.LocalCluster(
      n_workers=0,
      dashboard_address='127.0.0.1:0',
      silence_logs=logging.CRITICAL,
    ) as cluster,
    distributed.Client(cluster) as client,
  ):
    crew = Crew(
      cluster.scheduler_address,
      options.workers,
      layout['devices'],
      setting.order.workdir,
      setting.say,
    )
    try:
      yield client, crew
    finally:
      crew.close()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
  """Keeps Dask from logging what is said here, or is no matter."""
  logger = logging.getLogger('distributed')
  before = logger.level
  logger.setLevel(logging.CRITICAL)
  try:
    yield
  finally:
    logger.setLevel(before)


EXECUTORS.register(
  'dask',
  ExecutorEntry(_open, True, 'by workers of a Dask cluster', _check),
)
