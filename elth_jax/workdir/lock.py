"""Who works in a workdir: one process alone, or several that share it.

One alone holds a lock, which ends with its process. Those that share a workdir
show that they are there by their leases. Each kind keeps the other out.
"""

import contextlib
import json
import os
import platform
import shutil
from collections.abc import Generator
from pathlib import Path

import filelock

from elth_jax.storage.files import write_atomically, writing
from elth_jax.workdir import leases

LOCK, OWNER = '.lock', '.owner.json'
LOOKS_SECONDS = 1.0  # for which others may hold the lock, just to look


class BusyError(Exception):
  """Another process works in the workdir; says which."""


@contextlib.contextmanager
def owned(root: Path, seconds: float = 60.0) -> Generator[None]:
  """Holds the workdir, so that nobody else writes to it.

  Args:
    root: the workdir.
    seconds: of silence after which processes that shared it are taken for
      dead, if they are of other machines.

  Raises:
    BusyError: if another process, or another study of this one, holds it.
  """
  lock = filelock.FileLock(root / LOCK, timeout=LOOKS_SECONDS)
  try:
    with writing(root / LOCK):
      lock.acquire()
  except filelock.Timeout:
    raise BusyError(busy(root, _owner(root))) from None
  try:
    if alive := leases.Leases(root, seconds).find_alive():
      raise BusyError(busy(root, str(alive)))
    shutil.rmtree(root / leases.FOLDER, ignore_errors=True)
    owner = {'pid': os.getpid(), 'host': platform.node()}
    write_atomically(root / OWNER, json.dumps(owner) + '\n')
    yield
  finally:
    try:
      with writing(root / OWNER):
        (root / OWNER).unlink(missing_ok=True)
    finally:
      lock.release()


@contextlib.contextmanager
def shared(
  root: Path, seconds: float, hung_seconds: float = leases.HUNG_SECONDS
) -> Generator[leases.Leases]:
  """Works in the workdir beside other processes, by leases.

  Args:
    root: the workdir.
    seconds: of silence after which a process is taken for dead.
    hung_seconds: without a sign of the thread that works, after which this
      process goes silent.

  Raises:
    BusyError: if a process holds the workdir alone.
    OSError: if it cannot be written to, or has no hard links.
  """
  mine = leases.Leases(root, seconds, hung_seconds)
  mine.join()  # before the look at the lock: who holds that looks for this
  try:
    if is_busy(root, patience=LOOKS_SECONDS):
      raise BusyError(busy(root, _owner(root)))
    yield mine
  finally:
    mine.leave()


def is_busy(root: Path, patience: float = 0.0) -> bool:
  """Whether a process holds a workdir alone; writes nothing.

  Args:
    root: the workdir.
    patience: seconds to wait for others that look too.
  """
  if not (root / LOCK).is_file():
    return False
  try:
    with filelock.FileLock(root / LOCK, timeout=patience):
      return False
  except filelock.Timeout:
    return True


def busy(root: Path | str, owner: str) -> str:
  """Says that a workdir is another process's."""
  return (
    f'{root} is in use by {owner}; wait for it, stop it, or give another '
    '--workdir'
  )


def _owner(root: Path) -> str:
  try:
    owner = json.loads((root / OWNER).read_bytes())
    return f'process {owner["pid"]} on {owner["host"]}'
  except (OSError, ValueError, LookupError, TypeError):
    return 'another process'
