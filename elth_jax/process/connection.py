"""Joins this process to the others of a study; ends it when one is lost."""

import contextlib
import ctypes
import os
import signal
import threading
from typing import Any

import jax

from elth_jax.process.distributed import Distributed
from elth_jax.process.signals import end_children

LOST_SECONDS = 30  # after which a process that does not answer is given up
STOPPED = 128 + signal.SIGTERM
LOST = (
  b'elth_jax: JAX ended this process, most likely because another one was '
  b'lost; stopped; the same command continues\n'
)

_kept: list[Any] = []  # what C code calls must not be freed


class HostsError(RuntimeError):
  """The processes of a study cannot work together; says which and why."""


def initialize(asked: Distributed) -> None:
  """Starts `jax.distributed`, before JAX computes anything.

  Raises:
    HostsError: if the other processes cannot be found or reached.
  """
  values: dict[str, Any] = {}
  if asked.mode != 'auto':
    values = {
      'coordinator_address': asked.mode,
      'num_processes': asked.processes,
      'process_id': asked.number,
    }
  before = signal.getsignal(signal.SIGTERM)
  try:
    jax.distributed.initialize(**values, heartbeat_timeout_seconds=LOST_SECONDS)
  except (RuntimeError, ValueError, TypeError) as error:
    first = str(error).strip().partition('\n')[0]
    raise HostsError(
      f'--config.distributed={asked}: {first}; auto needs Slurm, Open MPI, '
      'Kubernetes or Cloud TPU; else give address:port,processes,number'
    ) from error
  if threading.current_thread() is threading.main_thread() and before:
    signal.signal(signal.SIGTERM, before)  # JAX takes it for its own use
  _end_cleanly_when_aborted()


def _end_cleanly_when_aborted() -> None:
  """Ends this process as a stopped one where JAX would abort it.

  JAX aborts a process when another one is lost, whatever it is doing; its hook
  for that cannot be set from Python. All files are written whole or not at
  all, so that the process may end anywhere. On Windows it stays aborted.
  """
  if os.name == 'nt':  # no C library by that name
    return

  @ctypes.CFUNCTYPE(None, ctypes.c_int)
  def end(number: int) -> None:
    del number
    with contextlib.suppress(OSError):
      os.write(2, LOST)
    with contextlib.suppress(Exception):
      end_children()
    os._exit(STOPPED)

  _kept.append(end)
  ctypes.CDLL(None).signal(int(signal.SIGABRT), end)


def client() -> Any:
  """The client of JAX's coordination service, for which there is no API."""
  from jax._src import distributed

  return distributed.global_state.client
