"""What a long-lived worker process does: one study's batches, one by one.

Programs that were compiled for one batch serve all later ones.
"""

import dataclasses
import os
import platform
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Literal, Protocol

import jax

from elth_jax.datasets import DatasetError
from elth_jax.process import devices
from elth_jax.process.compilation import keep_compiled
from elth_jax.process.connection import HostsError
from elth_jax.process.hosts import Hosts
from elth_jax.process.signals import StudyStopped
from elth_jax.reading import build_from
from elth_jax.runner.batch import Batch, Outcome
from elth_jax.runner.kernels import record_kernels
from elth_jax.runner.layout import Layout
from elth_jax.runner.order import Order, study_hash
from elth_jax.runner.trainers import Trainers
from elth_jax.runner.work import Worker
from elth_jax.storage.manifest import DamagedError
from elth_jax.study import config_file, data
from elth_jax.study.graph import build
from elth_jax.study.spec import RunOptions, StudySpec
from elth_jax.workdir import outputs
from elth_jax.workdir.checkpoints import Checkpoints
from elth_jax.workdir.leases import Leases
from elth_jax.workdir.store import Store, StoreError

LOOK_SECONDS = 1.0  # between looks whether the driver is alive


class OpenStudy(Protocol):
  """A study that a worker process holds open."""

  def do(
    self, order: Order, batch: Batch, note: Callable[[Outcome], None]
  ) -> None:
    """Does a batch of an order, and notes what became of each node."""
    ...

  def is_needed(self) -> bool:
    """Whether a driver of the study is alive."""
    ...

  def close(self) -> None:
    """Gives up what the process holds for the study."""
    ...


Opener = Callable[[Order], OpenStudy]


@dataclasses.dataclass(frozen=True)
class Failure:
  """Why a worker did not do a batch.

  Attributes:
    kind: `unfit` if it cannot do any of the study; `disk` for an error of the
      system; `damaged` if a file is; `stopped` if its driver was gone; `error`
      for anything else, which would happen elsewhere too.
    text: why.
    path: what is damaged.
  """

  kind: Literal['unfit', 'disk', 'damaged', 'stopped', 'error']
  text: str
  path: str = ''


@dataclasses.dataclass(frozen=True)
class Reply:
  """What a worker says of a batch.

  Attributes:
    worker: its process, in words.
    address: of the worker, as Dask knows it; empty outside of Dask.
    outcomes: of the nodes that came to an end.
    failure: what stopped it before the others; `None` if nothing did.
  """

  worker: str
  address: str
  outcomes: tuple[Outcome, ...]
  failure: Failure | None = None


_studies: dict[str, OpenStudy] = {}  # by the key of their order; at most one
_one_at_a_time = threading.Lock()


def carry(opener: Opener, order: Order, batch: Batch) -> Reply:
  """Does a batch in this process, which holds the study open from then on."""
  name = f'process {os.getpid()} on {platform.node()}'
  address = _address()
  outcomes: list[Outcome] = []

  def note(outcome: Outcome) -> None:
    outcomes.append(dataclasses.replace(outcome, worker=name))

  try:
    with _one_at_a_time:
      _opened(opener, order).do(order, batch, note)
    return Reply(name, address, tuple(outcomes))
  except Exception as error:
    return Reply(name, address, tuple(outcomes), _failure(error))


def _address() -> str:
  distributed = sys.modules.get('distributed')
  return distributed.get_worker().address if distributed else ''


def close_if_unused(study: OpenStudy) -> bool:
  """Closes a study that no driver needs any more; whether it is closed.

  A worker of a cluster may live on for long, and must not seem to work.
  """
  if not _one_at_a_time.acquire(blocking=False):  # it is in use
    return False
  try:
    if study in _studies.values() and study.is_needed():
      return False
    if study in _studies.values():
      _close_all()
    return True
  finally:
    _one_at_a_time.release()


def _opened(opener: Opener, order: Order) -> OpenStudy:
  if order.key not in _studies:
    _close_all()
    _studies[order.key] = opener(order)
  return _studies[order.key]


def _close_all() -> None:
  for key in list(_studies):
    _studies.pop(key).close()


def _failure(error: Exception) -> Failure:
  text = ' '.join(str(error).split())
  if isinstance(error, StudyStopped):
    return Failure('stopped', text)
  if isinstance(error, DamagedError):
    return Failure('damaged', error.why, str(error.path))
  if isinstance(
    error, HostsError | StoreError | DatasetError | devices.DeviceError
  ):
    return Failure('unfit', text)
  if isinstance(error, OSError):
    return Failure('disk', text)
  return Failure('error', ''.join(traceback.format_exception(error)))


class _Study:
  """One study, as a worker process has it."""

  def __init__(self, order: Order):
    self._driver = order.driver
    self._drivers = {order.driver}
    options = build_from(RunOptions, order.options)
    self._leases = Leases(
      order.workdir, options.lease_seconds, options.hung_seconds
    )
    self._looked = time.monotonic()
    self._stops = False
    self._worker = self._make_worker(order, options)
    self._leases.join()
    threading.Thread(target=self._watch, daemon=True).start()

  def do(
    self, order: Order, batch: Batch, note: Callable[[Outcome], None]
  ) -> None:
    self._driver, self._stops = order.driver, False
    self._drivers.add(order.driver)
    self._worker.do(batch, note)

  def is_needed(self) -> bool:
    return not all(map(self._leases.is_gone, set(self._drivers)))

  def close(self) -> None:
    self._leases.leave()

  def _watch(self) -> None:
    while not close_if_unused(self):
      time.sleep(LOOK_SECONDS)

  def _make_worker(self, order: Order, options: RunOptions) -> Worker:
    spec = StudySpec.from_config(order.spec)
    found = data.load(spec, options)
    nodes = build(spec, found)
    if study_hash(nodes) != order.study:
      raise HostsError(
        'the study is another one here; give this worker the same version, '
        'config and data as the driver'
      )
    store = Store(order.workdir, writable=False)
    if not (store.root / outputs.CONFIG).is_file():
      raise HostsError(
        f'there is no study in {store.root} here; workers need the same '
        '--workdir as the driver, on a file system that they share'
      )
    store.kernels = record_kernels(nodes, options)
    store.leases = self._leases
    offered = Layout.of(options, Hosts(), store.kernels)
    if unlike := offered.unlike(order.layout):
      raise HostsError(f'runs would round otherwise: {unlike}')
    return Worker(
      nodes,
      store,
      found,
      Trainers(nodes, found, options),
      Checkpoints(store),
      options.checkpoint_seconds,
      self._asked_to_stop,
    )

  def _asked_to_stop(self) -> bool:
    """Whether the driver is gone; then nobody would hear of the batch."""
    now = time.monotonic()
    if now - self._looked > LOOK_SECONDS:
      self._looked = now
      self._stops = self._leases.is_gone(self._driver)
    return self._stops


def open_study(order: Order) -> OpenStudy:
  """The study of an order, in this process.

  Raises:
    HostsError: if this process cannot do it as the driver would.
    DatasetError: if its data is not here.
    DeviceError: if JAX cannot use the devices it is told to use.
    OSError: if something cannot be read or written.
  """
  if order.layout.platform == 'cpu':
    _split_cpu(order.layout.devices)
  if order.config:
    _execute(order.config)
  devices.require()
  keep_compiled(order.compiled)
  try:
    return _Study(order)
  except ValueError as error:
    raise HostsError(str(error)) from error


def _split_cpu(count: int) -> None:
  """As many devices as the driver has, unless JAX has started already."""
  try:
    jax.config.update('jax_num_cpu_devices', count)
  except RuntimeError:  # it has; `Layout.unlike` says what differs
    return


def _execute(config: str) -> None:
  """Runs a config's file, for what it registers."""
  file, _, choice = config.partition(':')
  path = Path(file)
  if not path.is_file():
    raise HostsError(f'there is no config {path} here')
  try:
    config_file.load(path, choice)
  except Exception as error:  # a config's file may raise anything
    text = f'{type(error).__name__}: {error}'
    raise HostsError(f'{path} fails here: {text}') from error
