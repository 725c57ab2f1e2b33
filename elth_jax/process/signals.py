"""Signals that ask a command to stop; importing this module installs nothing.

It loads the standard library alone, so that a command can install handlers
before its slow imports.
"""

import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable

# SIGUSR1 is what cluster managers send before they end a job
STOP_SIGNALS = ('SIGTERM', 'SIGINT', 'SIGUSR1')  # Windows has no SIGUSR1


class StudyStopped(Exception):  # noqa: N818 - it is no error
  """The study was asked to stop; all that was done is safe."""


def leave_if(asked_to_stop: Callable[[], bool]) -> None:
  """Raises `StudyStopped` if asked to stop."""
  if asked_to_stop():
    raise StudyStopped


def leave_to_parent(*_) -> None:
  """For a process that reads data: its parent decides when to stop.

  Ctrl-C reaches all processes of a terminal, and some cluster managers send
  SIGUSR1 to all of a job. SIGTERM ends the process still, which is how its
  parent ends it.
  """
  for name in ('SIGINT', 'SIGUSR1'):
    if hasattr(signal, name):
      signal.signal(getattr(signal, name), signal.SIG_IGN)


def end_children() -> None:
  """Ends the processes that read data, which ignore what ends this one."""
  multiprocessing = sys.modules.get('multiprocessing')
  if multiprocessing is not None:
    for child in multiprocessing.active_children():
      child.kill()


class StopRequest:
  """Handles the signals that ask this process to stop.

  While the process starts, the first signal ends it. After `start_running`, the
  first one is noted and the second ends the process. The exit code is 128 plus
  the signal's number.

  A thread reads the signals, because the main one may be busy importing,
  compiling or training. Make it on the main thread, once for a process.

  Args:
    notice: what is said when the process ends while it starts.

  Attributes:
    signal: the number of the signal that was noted, or `None`.
  """

  def __init__(self, notice: str = 'stopped before anything was done'):
    self._notice = f'elth_jax: {notice}\n'.encode()
    self.signal: int | None = None
    self._running = False
    reader, self._writer = socket.socketpair()
    self._writer.setblocking(False)
    signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=self._read, args=(reader,), daemon=True).start()
    for name in STOP_SIGNALS:
      if hasattr(signal, name):
        signal.signal(getattr(signal, name), lambda number, frame: None)

  def start_running(self) -> None:
    """From now on, the first signal asks the process to stop when it can."""
    self._running = True

  def _read(self, reader: socket.socket) -> None:
    while received := reader.recv(1):
      if signal.Signals(received[0]).name in STOP_SIGNALS:
        self._receive(received[0])

  def _receive(self, number: int) -> None:
    if not self._running:
      with contextlib.suppress(OSError):  # where stderr is closed
        # the main thread may hold the lock of sys.stderr or of an import
        os.write(2, self._notice)
      os._exit(128 + number)
    if self.signal is not None:
      with contextlib.suppress(Exception):
        end_children()
      os._exit(128 + number)
    self.signal = number
    with contextlib.suppress(OSError, ValueError):
      print(
        'stopping at the next step that is safe; once more leaves now',
        file=sys.stderr,
        flush=True,
      )

  def __bool__(self) -> bool:
    return self.signal is not None
