"""The one process that writes to a workdir on an object store.

.owners/<number>.json   a process, and how often it has beaten

The owner is the one of the highest number. A number is taken by exclusive
create, so that one process alone gets it. An owner is gone if its object says
that it ended, if it ended on this machine, or if its count has not changed for
some seconds of this process's own clock, as in `leases`.
"""

import contextlib
import dataclasses
import json
import threading
import time
import uuid
from collections.abc import Callable, Generator

from elth_jax.process.signals import StudyStopped
from elth_jax.process.text import say
from elth_jax.storage.object_store import ObjectStore, ObjectStoreError
from elth_jax.workdir.leases import BEATS
from elth_jax.workdir.lock import BusyError, busy
from elth_jax.workdir.owners import Owner, is_gone, this_process

FOLDER = '.owners'
LOOK_SECONDS = 1.0  # between looks at an owner that may be dead


class ObjectOwner:
  """This process, as owner of a workdir on an object store.

  Args:
    objects: the workdir.
    seconds: of silence after which an owner is taken for dead.

  Attributes:
    token: names this process there.
    before: token of the last owner, once `find_free` has returned; empty if
      there was none.
  """

  def __init__(self, objects: ObjectStore, seconds: float):
    self.objects = objects
    self.seconds = seconds
    self.owner = this_process()
    self.token = uuid.uuid4().hex[:12]
    self.before = ''
    self._number = 0
    self._beats = 0
    self._successor = ''
    self._ended = threading.Event()

  def find_free(self, asked_to_stop: Callable[[], bool]) -> None:
    """Returns once no other process owns the workdir.

    Raises:
      BusyError: if one does that is alive.
      StudyStopped: if asked to stop while waiting to know.
    """
    number, content = self._last()
    if number:
      self._require_gone(number, content, asked_to_stop)
      with contextlib.suppress(ValueError, LookupError, TypeError):
        self.before = str(json.loads(content)['token'])
    self._number = number + 1

  @contextlib.contextmanager
  def owned(self) -> Generator[None]:
    """Owns the workdir, after `find_free`.

    Raises:
      BusyError: if another process was faster.
    """
    mine = self._content()
    if not self.objects.write_once(_name(self._number), mine):
      number, content = self._last()
      if (number, content) != (self._number, mine):  # else an answer was lost
        raise BusyError(busy(self.objects.url, _owner(content)))
    numbers = [n for n in self._numbers() if n < self._number]
    self.objects.delete(map(_name, numbers))
    thread = threading.Thread(target=self._show_life, daemon=True)
    thread.start()
    try:
      yield
    finally:
      self._ended.set()
      thread.join()
      if not self._successor:
        with contextlib.suppress(ObjectStoreError):  # it is silent then
          self._write()

  def require(self) -> None:
    """Checks that no other process has taken the workdir over.

    Raises:
      BusyError: if one has, since this one was silent for too long.
    """
    if self._successor:
      raise BusyError(busy(self.objects.url, self._successor))

  def _require_gone(
    self, number: int, content: bytes, asked_to_stop: Callable[[], bool]
  ) -> None:
    owner, url = Owner.parse(content), self.objects.url
    if _has_ended(content) or (owner and is_gone(owner)):
      return
    if owner and owner.machine == self.owner.machine != '':
      raise BusyError(busy(url, str(owner)))
    who = _owner(content)
    say(f'{url} was left by {who}; waiting {self.seconds:g} s for signs of it')
    since = time.monotonic()
    while time.monotonic() - since <= self.seconds:
      if asked_to_stop():
        raise StudyStopped
      time.sleep(min(LOOK_SECONDS, self.seconds / BEATS))
      now = self._last()
      if now != (number, content):
        raise BusyError(busy(url, _owner(now[1])))

  def _show_life(self) -> None:
    while not self._ended.wait(self.seconds / BEATS):
      with contextlib.suppress(ObjectStoreError):  # others see a silent owner
        self._beat()

  def _beat(self) -> None:
    number, content = self._last()
    if number > self._number:
      self._successor = _owner(content)
      self._ended.set()
    else:
      self._beats += 1
      self._write()

  def _write(self) -> None:
    self.objects.write(_name(self._number), self._content())

  def _content(self) -> bytes:
    values = {
      **dataclasses.asdict(self.owner),
      'token': self.token,
      'beats': self._beats,
      'ended': self._ended.is_set(),
    }
    return json.dumps(values).encode()

  def _numbers(self) -> list[int]:
    names = self.objects.sizes(FOLDER)
    stems = [name.rpartition('/')[2].partition('.')[0] for name in names]
    return sorted(int(stem) for stem in stems if stem.isdecimal())

  def _last(self) -> tuple[int, bytes]:
    """The highest number, and its owner's object; 0 if there is none."""
    number = max(self._numbers(), default=0)
    found = self.objects.read_all([_name(number)] if number else [])
    return number, found.get(_name(number), b'')


def _name(number: int) -> str:
  return f'{FOLDER}/{number}.json'


def _owner(content: bytes) -> str:
  return str(Owner.parse(content) or 'another process')


def _has_ended(content: bytes) -> bool:
  with contextlib.suppress(ValueError, LookupError, TypeError):
    return json.loads(content)['ended'] is True
  return False
