"""The processes that run one study: process 0 leads, and the others follow.

The leader decides everything and tells the others what to compute. Messages go
through the key-value store of JAX's coordination service, arrays through the
devices. JAX watches that all processes live.
"""

import atexit
import collections
import contextlib
import itertools
import json
import os
import sys
import time
from collections.abc import Callable, Generator, Mapping
from typing import Any

import jax

from elth_jax.process import connection, devices
from elth_jax.process.connection import STOPPED, HostsError, client, initialize
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
    self._failed = 0  # the exit code after a failure
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
    text = None
    while text is None:
      if asked_to_stop() and not self._asked:
        self._asked = True
        self._set(f'asks/{self.number}', '')
      text = self._wait_for(f'told/{self._next}')
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
    if failed := self._failure():
      raise HostsError(failed)
    return bool(self._all('asks'))

  @contextlib.contextmanager
  def together(self, asked_to_stop: Callable[[], bool]) -> Generator[None]:
    """Tells the other processes if this one fails or stops.

    Where another one is lost, this process is ended: by JAX, which notices
    that within `connection.LOST_SECONDS`.

    Args:
      asked_to_stop: whether this process is; then no error is a failure, since
        a signal to a whole job ends much that this process needs.

    Raises:
      HostsError: if this process failed because another one did.
    """
    try:
      yield
    except BaseException as error:
      if self.count > 1:
        self._report(error, asked_to_stop())
      raise

  def _report(self, error: BaseException, asked_to_stop: bool) -> None:
    failed = ''
    if isinstance(error, jax.errors.JaxRuntimeError):
      failed = self._wait_for_failure()
    stops = isinstance(error, StudyStopped)
    if not stops:
      self._failed = STOPPED if asked_to_stop else 1
    why = '' if asked_to_stop else f'{type(error).__name__}: {error}'
    if self.leads:
      self.tell('stop' if stops or asked_to_stop else 'fail', why=why)
    elif not stops and not isinstance(error, HostsError):
      self._set(f'asks/{self.number}', why)
    if failed:
      raise HostsError(failed) from error

  def _wait_for_failure(self) -> str:
    """What another process says of its failure, as the leader hears it.

    If another one was lost instead, JAX ends this process in the meantime.
    """
    deadline = time.monotonic() + 1.5 * connection.LOST_SECONDS
    failed = ''
    while not failed and time.monotonic() < deadline:
      time.sleep(0.2)
      if self.leads:
        # jax 0.7 no longer answers once a process is lost
        with contextlib.suppress(jax.errors.JaxRuntimeError):
          failed = self._failure()
    return failed

  def _failure(self) -> str:
    """Which other process failed, and why; empty if none did."""
    for number, why in self._all('asks').items():
      if why:
        return f'process {number}: {why}'
    return ''

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
    os._exit(self._failed)

  def _set(self, key: str, value: str) -> None:
    client().key_value_set(f'{self._prefix}/{key}', value, True)

  def _wait_for(self, key: str) -> str | None:
    """The value of a key, if it is set soon."""
    try:
      return client().blocking_key_value_get(
        f'{self._prefix}/{key}', HEAR_MILLISECONDS
      )
    except jax.errors.JaxRuntimeError as error:
      if 'DEADLINE_EXCEEDED' not in str(error):
        raise
      return None

  def _all(self, folder: str) -> dict[str, str]:
    """Number of a process -> what it has set in a folder of keys."""
    found = client().key_value_dir_get(f'{self._prefix}/{folder}/')
    return {key.rpartition('/')[2]: value for key, value in found}


def connect(asked: Distributed) -> Hosts:
  """Joins the processes that run a study; call it before JAX computes.

  Raises:
    HostsError: if they cannot be found or reached, or differ in devices.
    devices.DeviceError: if JAX cannot use the devices it is told to use.
  """
  if asked.mode != 'off' and not jax.distributed.is_initialized():
    initialize(asked)
  devices.require()
  if asked.mode == 'off':
    return Hosts()
  hosts = Hosts(jax.process_index(), jax.process_count())
  counts = collections.Counter(one.process_index for one in jax.devices())
  if len(set(counts.values())) > 1:
    raise HostsError(
      f'devices by process: {dict(counts)}; give every process as many '
      '(JAX_NUM_CPU_DEVICES for CPUs)'
    )
  return hosts
