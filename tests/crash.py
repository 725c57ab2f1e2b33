"""Studies that are killed, or fail, at one of their file operations."""

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Generator, Mapping
from pathlib import Path

WRITES = ('os.rename', 'os.mkdir', 'os.remove', 'os.rmdir')
FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT

_listeners: list[tuple[str, Callable[[], None]]] = []


def _hear(event: str, arguments: tuple) -> None:
  if not _listeners or event not in (*WRITES, 'open'):
    return
  path, *rest = arguments
  if not isinstance(path, str | bytes):
    return
  if event == 'open' and not (rest[1] or 0) & FLAGS:
    return
  below, listen = _listeners[-1]
  if os.fsdecode(path).startswith(below):
    listen()


sys.addaudithook(_hear)  # cannot be removed, so it stays for the whole process


@contextlib.contextmanager
def before_each_write(
  folder: Path, listen: Callable[[], None]
) -> Generator[None]:
  """Calls `listen` before Python opens a file to write, renames or removes.

  What it raises is raised by the operation, which then does not happen.
  """
  _listeners.append((str(folder), listen))
  try:
    yield
  finally:
    _listeners.pop()


class Snapshots:
  """What a kill before each file operation would leave of a folder.

  Args:
    folder: what is written to.

  Attributes:
    found: its content by path; equal ones in a row are kept once.
  """

  def __init__(self, folder: Path):
    self.folder = folder
    self.found: list[dict[str, bytes | None]] = []
    self._lock = threading.Lock()  # orbax writes from several threads

  def take(self) -> None:
    with self._lock:
      now = content(self.folder)
      if not self.found or now != self.found[-1]:
        self.found.append(now)


def content(folder: Path) -> dict[str, bytes | None]:
  """Every file below a folder, and every folder as `None`."""
  found: dict[str, bytes | None] = {}
  for path in sorted(folder.rglob('*')):
    with contextlib.suppress(FileNotFoundError):  # gone in the meantime
      name = path.relative_to(folder).as_posix()
      found[name] = None if path.is_dir() else path.read_bytes()
  return found


def restore(found: Mapping[str, bytes | None], folder: Path) -> Path:
  """Makes a folder with this content."""
  folder.mkdir()
  for name, value in found.items():
    if value is None:
      (folder / name).mkdir(parents=True, exist_ok=True)
    else:
      (folder / name).write_bytes(value)
  return folder


def results(workdir: Path) -> dict[str, bytes | None]:
  """All that must not depend on what happened to a study on the way."""
  found = content(workdir)
  return {
    name: found[name]
    for name in found
    if name in ('config.json', 'results.csv')
    or name.startswith(('tickets', 'runs'))
  }
