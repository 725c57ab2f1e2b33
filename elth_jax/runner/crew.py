"""Dask workers on this machine, which are started again when they end."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import IO

from elth_jax.process.connection import HostsError

# of one worker in a row; then starting it is no use
MOST_FAILED_STARTS = 5
MOST_KILLED_STARTS = 20  # by others, as where there is too little memory
LOGS = 'logs'
LINES = 5  # of a log that are shown


class Crew:
  """Worker processes of one scheduler.

  Args:
    address: of the scheduler.
    count: how many there are.
    devices: CPU devices of each.
    workdir: of the study; their output goes to `logs` there.
    say: prints a line.
  """

  def __init__(
    self,
    address: str,
    count: int,
    devices: int,
    workdir: Path,
    say: Callable[[str], None],
  ):
    self._address = address
    self._devices = devices
    self._logs = workdir / LOGS
    self._say = say
    self._running: dict[int, subprocess.Popen] = {}
    self._starts: dict[int, list[int]] = {}  # exit codes before it joined
    self._logs.mkdir(exist_ok=True)
    for number in range(count):
      self._start(number)

  def tend(self, joined: Collection[str]) -> None:
    """Starts workers again that have ended.

    Args:
      joined: names of the workers that the scheduler has heard of.

    Raises:
      HostsError: if one ends again and again before it has joined.
    """
    for number, process in list(self._running.items()):
      if _name(number) in joined:
        self._starts[number] = []
      code = process.poll()
      if code is None:
        continue
      codes = self._starts.setdefault(number, [])
      codes.append(code)
      killed = codes.count(-signal.SIGKILL)
      log = self._log(number)
      if (
        killed >= MOST_KILLED_STARTS
        or len(codes) - killed >= MOST_FAILED_STARTS
      ):
        lines = log.read_text('utf-8', 'replace').splitlines()[-LINES:]
        raise HostsError(
          f'worker {number} (process {process.pid}) ends with exit code {code} '
          f'whenever it is started: {" / ".join(lines)}; see {log}'
        )
      self._say(
        f'worker {number} (process {process.pid}) ended with exit code {code}; '
        f'it is started again, and its runs go on from their checkpoints; see '
        f'{log}'
      )
      self._start(number)

  def kill(self, names: Collection[str]) -> None:
    """Ends workers that hang, by their names; `tend` starts others."""
    for number, process in self._running.items():
      if _name(number) in names:
        process.kill()

  def close(self) -> None:
    """Ends all workers."""
    for process in self._running.values():
      process.kill()
    for process in self._running.values():
      process.wait()
      _stdin(process).close()

  def _start(self, number: int) -> None:
    if number in self._running:
      _stdin(self._running[number]).close()
    path = [part or os.getcwd() for part in sys.path]
    environment = {
      **os.environ,
      'PYTHONPATH': os.pathsep.join(path),
      'JAX_NUM_CPU_DEVICES': str(self._devices),
    }
    command = [sys.executable, '-m', 'elth_jax.runner.dask_worker']
    with self._log(number).open('ab') as log:
      self._running[number] = subprocess.Popen(
        [*command, self._address, _name(number)],
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=log,
        env=environment,
        start_new_session=True,  # Ctrl-C is for the driver
      )

  def _log(self, number: int) -> Path:
    return self._logs / f'{_name(number)}.log'


def _name(number: int) -> str:
  return f'worker-{number}'


def _stdin(process: subprocess.Popen) -> IO[bytes]:
  assert process.stdin is not None
  return process.stdin
