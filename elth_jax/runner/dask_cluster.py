"""The cluster behind the executor `dask`: joined, or started here."""

import contextlib
import logging
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

from elth_jax.process.connection import HostsError
from elth_jax.process.quiet import logging_at
from elth_jax.runner.crew import Crew
from elth_jax.runner.layout import Layout
from elth_jax.study.spec import RunOptions

CONNECT_SECONDS = 30.0


@contextlib.contextmanager
def joined(scheduler: str) -> Generator[Any]:
  """A client of a cluster that is there.

  Raises:
    HostsError: if it cannot be reached.
  """
  import distributed

  is_file = scheduler.endswith('.json') or Path(scheduler).is_file()
  if is_file and not _appears(Path(scheduler)):
    raise HostsError(
      f'scheduler {scheduler} is no file here; start one by `dask scheduler '
      f'--scheduler-file={scheduler}`, or give another --config.scheduler'
    )
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


def _appears(path: Path) -> bool:
  """Whether a scheduler writes its file soon; Dask would wait for ever."""
  until = time.monotonic() + CONNECT_SECONDS
  while not path.is_file():
    if time.monotonic() > until:
      return False
    time.sleep(0.1)
  return True


@contextlib.contextmanager
def started(
  layout: Layout,
  options: RunOptions,
  workdir: Path,
  say: Callable[[str], None],
) -> Generator[tuple[Any, Crew]]:
  """A scheduler in this process, and workers on this machine.

  Args:
    layout: what every worker must offer.
    options: how many workers, and when a silent one is taken for dead.
    workdir: of the study, as workers find it.
    say: prints a line.

  Yields:
    A client of the cluster, and its workers; both end with the context.

  Raises:
    HostsError: if this process computes on anything but CPUs.
  """
  import dask
  import distributed

  if layout.platform != 'cpu':
    raise HostsError(
      f'executor=dask starts workers for CPUs alone, and this process has a '
      f'{layout.platform}; start a Dask worker for each of them and give '
      '--config.scheduler, see docs/cluster.md'
    )
  changes = {
    'distributed.scheduler.allowed-failures': 50,
    # imports and compilation keep a worker from answering for seconds
    'distributed.scheduler.worker-ttl': f'{max(options.lease_seconds, 60)}s',
  }
  with (
    # what Dask logs is said here too, or is no matter
    logging_at(logging.CRITICAL, 'distributed'),
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
      layout.devices,
      workdir,
      say,
    )
    try:
      yield client, crew
    finally:
      crew.close()
