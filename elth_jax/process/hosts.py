"""The processes that run one study: process 0 leads, and the others follow.

The leader decides everything and tells the others what to compute. Messages go
through the key-value store of JAX's coordination service, arrays through the
devices. JAX watches that all processes live.
"""

import atexit
import contextlib
import itertools
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax

from elth_jax.process import connection
from elth_jax.process.connection import HostsError, client, initialize
from elth_jax.process.distributed import Distributed
from elth_jax.process.signals import StudyStopped, end_children

LEAVE_SECONDS = 5  # that the leader gives the others after a failure
HEAR_MILLISECONDS = 500  # between looks at this process's own signals

_sessions = itertools.count()


class Hosts:
  """The processes of one study, as one of them sees them.

  Args:
    number: of this process.
    count: how many there are.

  Attributes:
    number: of this process.
    count: how many there are.
  """

  def __init__(self, number: int = 0, count: int = 1):
    self.number = number
    self.count = count
    self._prefix = f'elth_jax/{next(_sessions)}'
    self._next = 0  # message
    self._oldest = 0  # message that is still kept
    self._asked = False
    self._failed = False
    if count > 1:
      atexit.register(self._leave)

  @property
  def leads(self) -> bool:
    return self.number == 0

  @property
  def devices(self) -> list[jax.Device]:
    """All devices of the study, process by process."""
    if self.count == 1:
      return jax.local_devices()
    return sorted(jax.devices(), key=lambda one: (one.process_index, one.id))

  def agree(
    self, facts: Mapping[str, str], asked_to_stop: Callable[[], bool]
  ) -> None:
    """Compares facts that must be the same; the leader waits for all others.

    Args:
      facts: what it is -> its value here.
      asked_to_stop: looked at while waiting.

    Raises:
      HostsError: naming the process that differs, and in what.
      StudyStopped: if the leader is asked to stop.
    """
    if not self.leads:
      self._set(f'ready/{self.number}', json.dumps(dict(facts)))
      return
    found: dict[str, str] = {}
    while len(found) < self.count - 1:
      found = self._all('ready')
      if asked_to_stop() or self.is_asked_to_stop():
        raise StudyStopped
      time.sleep(0.05)
    for number, text in sorted(found.items()):
      theirs = json.loads(text)
      for name, value in facts.items():
        if theirs[name] != value:
          raise HostsError(
            f'{name}: {value} in process 0, {theirs[name]} in process '
            f'{number}; give all processes the same command, versions, data '
            'and devices'
          )

  def tell(self, do: str, **message: Any) -> None:
    """Tells all other processes what to do, as JSON values."""
    if self.count > 1:
      self._set(f'told/{self._next}', json.dumps({'do': do, **message}))
      self._next += 1

  def forget(self) -> None:
    """Drops the messages so far, which all other processes have heard."""
    for number in range(self._oldest, self._next):
      client().key_value_delete(f'{self._prefix}/told/{number}')
    self._oldest = self._next

  def hear(self, asked_to_stop: Callable[[], bool]) -> dict[str, Any]:
    """The leader's next message; waits for it.

    Args:
      asked_to_stop: looked at while waiting; if true, the leader is asked to
        stop.

    Raises:
      HostsError: if the leader failed.
      StudyStopped: if the study was stopped.
    """
    key = f'{self._prefix}/told/{self._next}'
    while True:
      if asked_to_stop() and not self._asked:
        self._asked = True
        self._set(f'asks/{self.number}', '')
      with contextlib.suppress(_NotThereYet), _waiting():
        text = client().blocking_key_value_get(key, HEAR_MILLISECONDS)
        break
    self._next += 1
    message = json.loads(text)
    if message['do'] == 'stop':
      raise StudyStopped
    if message['do'] == 'fail':
      raise HostsError(f'process 0: {message["why"]}')
    return message

  def is_asked_to_stop(self) -> bool:
    """Whether another process asks the leader to stop.

    Raises:
      HostsError: if another process failed.
    """
    if self.count == 1:
      return False
    asks = self._all('asks')
    for number, why in asks.items():
      if why:
        raise HostsError(f'process {number}: {why}')
    return bool(asks)

  @contextlib.contextmanager
  def together(self) -> Iterator[None]:
    """Tells the other processes if this one fails or stops.

    Where another one is lost, this process is ended: by JAX, which notices
    that within `connection.LOST_SECONDS`.
    """
    try:
      yield
    except BaseException as error:
      if self.count > 1:
        self._report(error)
      raise

  def _report(self, error: BaseException) -> None:
    if isinstance(error, jax.errors.JaxRuntimeError):
      self._wait_until_lost()  # most likely because another process was lost
    why = f'{type(error).__name__}: {error}'
    stopped = isinstance(error, StudyStopped)
    self._failed = not stopped
    if self.leads and stopped:
      self.tell('stop')
    elif self.leads:
      self.tell('fail', why=why)
    elif not stopped and not isinstance(error, HostsError):
      self._set(f'asks/{self.number}', why)

  def _wait_until_lost(self) -> None:
    """Gives JAX the time to end this process, if another one was lost.

    Raises:
      HostsError: if another process says why it failed.
    """
    deadline = time.monotonic() + 1.5 * connection.LOST_SECONDS
    while time.monotonic() < deadline:
      if self.leads:
        self.is_asked_to_stop()
      time.sleep(0.2)

  def _leave(self) -> None:
    """At exit: waits for all others, or for a moment if this process failed.

    JAX's own way to leave waits until all do, for minutes.
    """
    if not self._failed:
      jax.distributed.shutdown()
      return
    for stream in (sys.stdout, sys.stderr):
      with contextlib.suppress(OSError, ValueError):
        stream.flush()
    self._set(f'left/{self.number}', '')
    deadline = time.monotonic() + LEAVE_SECONDS
    while self.leads and time.monotonic() < deadline:
      if len(self._all('left')) == self.count:
        break
      time.sleep(0.05)
    end_children()
    os._exit(1)

  def _set(self, key: str, value: str) -> None:
    client().key_value_set(f'{self._prefix}/{key}', value, True)

  def _all(self, folder: str) -> dict[str, str]:
    """Number of a process -> what it has set in a folder of keys."""
    found = client().key_value_dir_get(f'{self._prefix}/{folder}/')
    return {key.rpartition('/')[2]: value for key, value in found}


class _NotThereYet(Exception):  # noqa: N818 - it is no error
  """A key was not set within the time."""


@contextlib.contextmanager
def _waiting() -> Iterator[None]:
  """Tells the end of waiting from errors of the coordination service."""
  try:
    yield
  except jax.errors.JaxRuntimeError as error:
    if 'DEADLINE_EXCEEDED' in str(error):
      raise _NotThereYet from None
    raise


def connect(asked: Distributed) -> Hosts:
  """Joins the processes that run a study; call it before JAX computes.

  Raises:
    HostsError: if they cannot be found or reached.
  """
  if asked.mode == 'off':
    return Hosts()
  if not jax.distributed.is_initialized():
    initialize(asked)
  hosts = Hosts(jax.process_index(), jax.process_count())
  counts = {device.process_index: 0 for device in jax.devices()}
  for device in jax.devices():
    counts[device.process_index] += 1
  if len(set(counts.values())) > 1:
    raise HostsError(
      f'devices by process: {counts}; give every process as many '
      '(JAX_NUM_CPU_DEVICES for CPUs)'
    )
  return hosts
