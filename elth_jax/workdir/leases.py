"""Who works on what, where several processes share one workdir.

.leases/owners/<token>.json   a process, and how often it has beaten
.leases/<node>.<number>       a hard link to a file that names the owner

The owner of a node is the one of its highest number. A number is taken by an
exclusive link, so that one process alone gets it. A node is free if nobody has
it or if its owner is gone: it left, it ended on this machine, or its count has
not changed for some seconds of this process's own clock. Times of other hosts
are never compared.

Leases save work that others do. That results are right does not depend on
them: products are published exclusively, whole and under keys.
"""

import contextlib
import dataclasses
import json
import os
import threading
import time
import uuid
from collections.abc import Callable, Generator
from pathlib import Path

from elth_jax.storage.files import writing
from elth_jax.workdir.owners import Owner, is_gone, this_process

FOLDER = '.leases'
BEATS = 6  # within the time after which a silent owner is taken for dead
# between two signs of life of the thread that works: compiling for an
# accelerator, or reading much data, may take long
HUNG_SECONDS = 1800.0
MOST_TRIES = 100  # to make a folder that others remove


class LeaseLostError(Exception):
  """Another process has taken over what this one worked on."""


@dataclasses.dataclass
class _Seen:
  """What was last read of an owner, and when that was new."""

  content: bytes
  since: float


class Leases:
  """The nodes that this process works on, among others in one workdir.

  A thread shows that this process lives, as long as the thread that works
  calls `touch`, `claim` or `holds` now and then.

  Args:
    root: the workdir.
    seconds: of silence after which an owner is taken for dead.
    hung_seconds: without a sign of the working thread, after which this
      process stops showing that it lives.
    clock: seconds, of this process.

  Attributes:
    token: names this process in the workdir.
  """

  def __init__(
    self,
    root: Path,
    seconds: float,
    hung_seconds: float = HUNG_SECONDS,
    clock: Callable[[], float] = time.monotonic,
  ):
    self.seconds = seconds
    self.owner = this_process()
    self.token = f'{self.owner.pid}-{uuid.uuid4().hex[:12]}'
    self._folder = root / FOLDER
    self._owners = self._folder / 'owners'
    self._mark = self._owners / f'.{self.token}'
    self._hung_seconds = hung_seconds
    self._clock = clock
    self._beats = 0
    self._touched = clock()
    self._seen: dict[str, _Seen] = {}
    self._lock = threading.Lock()
    self._ended = threading.Event()

  def join(self) -> None:
    """Shows that this process is there, until `leave`.

    Raises:
      OSError: if the workdir cannot be written to, or has no hard links.
    """
    self._write_mark()
    probe = self._mark.with_name(f'{self._mark.name}.probe')
    try:
      os.link(self._mark, probe)
    except OSError as error:
      self._unlink(self._mark)
      raise OSError(
        f'{self._folder}: {error.strerror}; processes can share a workdir only '
        'where hard links can be made'
      ) from error
    self._unlink(probe)
    self._beat()
    threading.Thread(target=self._show_life, daemon=True).start()

  def _write_mark(self) -> None:
    for _ in range(MOST_TRIES):
      # the last one may just have left
      with writing(self._mark), contextlib.suppress(FileNotFoundError):
        self._owners.mkdir(parents=True, exist_ok=True)
        self._mark.write_text(self.token)
        return
    raise OSError(f'{self._owners} is removed again and again')

  def leave(self) -> None:
    """Gives up all leases of this process, and removes what the dead left."""
    self._ended.set()
    dead = [one for one in self._contents() if self.is_gone(one)]
    with self._lock:
      for token in (self.token, *dead):
        self._unlink(self._owner_file(token))
        self._unlink(self._owners / f'.{token}')
      for name, number in self._files():
        if not self._owner_file(self._holder(name, number)).exists():
          self._unlink(self._lease(name, number))
    for folder in (self._owners, self._folder):
      with contextlib.suppress(OSError):  # others are there still
        folder.rmdir()

  def touch(self) -> None:
    """Says that the thread which works does so."""
    self._touched = self._clock()

  def claim(self, name: str) -> bool:
    """Takes the lease of a node, if nobody alive has it.

    Whoever gets it must look whether the node is done: it may have been
    finished since.

    Raises:
      OSError: if the workdir cannot be written to.
    """
    if self._is_silent():  # it was idle; others must not think that it hangs
      self.touch()
      self._beat()
    self.touch()
    number, token = self._current().get(name, (-1, ''))
    if token == self.token:
      return True
    if token and not self.is_gone(token):
      return False
    try:
      if not self._mark.exists():  # others took this process for dead
        self._write_mark()
      os.link(self._mark, self._lease(name, number + 1))
    except FileExistsError:
      return False
    return self.holds(name)

  def holds(self, name: str) -> bool:
    """Whether the lease of a node is this process's still."""
    self.touch()
    return self._current().get(name, (-1, ''))[1] == self.token

  def number(self, name: str) -> int:
    """How often a node was taken over; -1 if nobody has it."""
    return self._current().get(name, (-1, ''))[0]

  def release(self, name: str) -> None:
    """Gives up a node, finished or not."""
    number, token = self._current().get(name, (-1, ''))
    if token == self.token:
      for each in range(number + 1):  # earlier ones are of the dead
        self._unlink(self._lease(name, each))

  def held_by_others(self) -> dict[str, str]:
    """Node -> token of its owner, for those whose owner is another, alive."""
    return {
      name: token
      for name, (_, token) in self._current().items()
      if token != self.token and not self.is_gone(token)
    }

  def abandoned(self) -> dict[str, str]:
    """Node -> token of its owner, for those whose owner is gone."""
    return {
      name: token
      for name, (_, token) in self._current().items()
      if token != self.token and self.is_gone(token)
    }

  def others(self) -> dict[str, Owner]:
    """Token -> process, for the others that are alive."""
    found = {
      token: Owner.parse(content)
      for token, content in self._contents().items()
      if token != self.token and not self.is_gone(token)
    }
    return {token: owner for token, owner in found.items() if owner}

  def find_alive(self) -> Owner | None:
    """Another process that is alive for sure; waits until none may be."""
    first = self._contents()
    while others := self.others():
      now = self._contents()
      for token, owner in others.items():
        here = owner.machine == self.owner.machine != ''
        if here or now.get(token) != first.get(token):
          return owner
      time.sleep(0.2)
    return None

  def is_gone(self, token: str) -> bool:
    """Whether a process has left, has ended, or is taken for dead."""
    try:
      content = self._owner_file(token).read_bytes()
    except FileNotFoundError:
      return True
    owner = Owner.parse(content)
    if owner and is_gone(owner):
      return True
    now = self._clock()
    with self._lock:
      seen = self._seen.get(token)
      if seen is None or seen.content != content:
        self._seen[token] = _Seen(content, now)
        return False
      return now - seen.since > self.seconds

  def describe(self, token: str) -> str:
    """A process in words."""
    owner = self.owner_of(token)
    return str(owner) if owner else f'process {token.partition("-")[0]}'

  @contextlib.contextmanager
  def alone(
    self, name: str, asked_to_stop: Callable[[], bool] = lambda: False
  ) -> Generator[bool]:
    """Holds a lease for a while; waits until nobody else does.

    Args:
      name: of the lease.
      asked_to_stop: looked at while waiting.

    Yields:
      Whether it is held; not if this process was asked to stop meanwhile.
    """
    held = self.claim(name)
    while not held and not asked_to_stop():
      time.sleep(min(0.2, self.seconds / BEATS))
      held = self.claim(name)
    try:
      yield held
    finally:
      self.release(name)

  def _current(self) -> dict[str, tuple[int, str]]:
    """Node -> its highest number, and the token of its owner."""
    found: dict[str, int] = {}
    for name, number in self._files():
      found[name] = max(found.get(name, -1), number)
    holders = {}
    for name, number in found.items():
      token = self._holder(name, number)
      if token:  # else it was released just now
        holders[name] = number, token
    return holders

  def _files(self) -> list[tuple[str, int]]:
    """Node and number of every lease, also of those that were taken over."""
    found = []
    with contextlib.suppress(FileNotFoundError):
      for file in os.listdir(self._folder):
        name, _, number = file.rpartition('.')
        if name and number.isdecimal():
          found.append((name, int(number)))
    return found

  def _holder(self, name: str, number: int) -> str:
    try:
      return self._lease(name, number).read_text()
    except FileNotFoundError:
      return ''

  def _lease(self, name: str, number: int) -> Path:
    return self._folder / f'{name}.{number}'

  def _owner_file(self, token: str) -> Path:
    return self._owners / f'{token}.json'

  def _contents(self) -> dict[str, bytes]:
    """Token -> what its owner's file holds now."""
    found = {}
    for path in self._owners.glob('[!.]*.json'):
      with contextlib.suppress(FileNotFoundError):  # it left just now
        found[path.stem] = path.read_bytes()
    return found

  def owner_of(self, token: str) -> Owner | None:
    """The process of a token, if its file is there."""
    try:
      return Owner.parse(self._owner_file(token).read_bytes())
    except FileNotFoundError:
      return None

  def _show_life(self) -> None:
    while not self._ended.wait(self.seconds / BEATS):
      if not self._is_silent():
        with contextlib.suppress(OSError):  # others see a silent owner then
          self._beat()
      self.others()  # so that the time of silence is known when it matters

  def _is_silent(self) -> bool:
    return self._clock() - self._touched >= self._hung_seconds

  def _beat(self) -> None:
    with self._lock:
      if self._ended.is_set():
        return
      self._beats += 1
      values = {**dataclasses.asdict(self.owner), 'beats': self._beats}
      self._owners.mkdir(parents=True, exist_ok=True)
      aside = self._owners / f'.{self.token}.next'
      aside.write_text(json.dumps(values))
      os.replace(aside, self._owner_file(self.token))

  def _unlink(self, path: Path) -> None:
    with contextlib.suppress(OSError):
      path.unlink()
