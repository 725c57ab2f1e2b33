"""Processes that share a workdir, as they name themselves in files."""

import dataclasses
import json
import os
import platform
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class Owner:
  """A process on some machine.

  Attributes:
    host: the machine's name.
    pid: the process's number there.
    machine: differs between machines, starts of one, and containers; empty
      where it is not known.
    started: when the process began, in the machine's own unit.
  """

  host: str
  pid: int
  machine: str
  started: str

  @classmethod
  def parse(cls, content: bytes) -> 'Owner | None':
    """Reads an owner's file; `None` if it is not whole."""
    names = [field.name for field in dataclasses.fields(cls)]
    try:
      values = json.loads(content)
      return cls(**{name: values[name] for name in names})
    except (ValueError, LookupError, TypeError):
      return None

  def __str__(self) -> str:
    return f'process {self.pid} on {self.host}'


def this_process() -> Owner:
  """The process that calls."""
  return Owner(platform.node(), os.getpid(), _machine(), _started(os.getpid()))


def is_gone(owner: Owner) -> bool:
  """Whether a process of this machine has ended; false if nobody can know."""
  if not owner.machine or owner.machine != _machine():
    return False
  return _started(owner.pid) != owner.started


def _machine() -> str:
  """This start of this machine, as seen from one space of process numbers."""
  try:
    boot = Path('/proc/sys/kernel/random/boot_id').read_text().strip()
    return f'{boot} {os.readlink("/proc/self/ns/pid")}'
  except OSError:  # not Linux
    return ''


def _started(pid: int) -> str:
  """When a process began; empty if it has ended."""
  try:
    stat = Path(f'/proc/{pid}/stat').read_text()
  except OSError:
    return ''
  state, *rest = stat.rpartition(')')[2].split()
  return '' if state in 'ZX' else rest[18]  # a zombie does no work
