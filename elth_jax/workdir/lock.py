"""One owner of a workdir at a time, by a lock that ends with its process."""

import contextlib
import json
import os
import platform
from collections.abc import Iterator
from pathlib import Path

import filelock

from elth_jax.storage.files import write_atomically

LOCK, OWNER = '.lock', '.owner.json'


class BusyError(Exception):
  """Another process works in the workdir; says which."""


@contextlib.contextmanager
def owned(root: Path) -> Iterator[None]:
  """Holds the workdir, so that nobody else writes to it.

  Raises:
    BusyError: if another process, or another study of this one, holds it.
  """
  lock = filelock.FileLock(root / LOCK, timeout=0)
  try:
    lock.acquire()
  except filelock.Timeout:
    raise BusyError(
      f'{root} is in use by {_owner(root)}; wait for it, stop it, or give '
      'another --workdir'
    ) from None
  try:
    owner = {'pid': os.getpid(), 'host': platform.node()}
    write_atomically(root / OWNER, json.dumps(owner) + '\n')
    yield
  finally:
    (root / OWNER).unlink(missing_ok=True)
    lock.release()


def is_busy(root: Path) -> bool:
  """Whether somebody works in a workdir; writes nothing."""
  if not (root / LOCK).is_file():
    return False
  try:
    with filelock.FileLock(root / LOCK, timeout=0):
      return False
  except filelock.Timeout:
    return True


def _owner(root: Path) -> str:
  try:
    owner = json.loads((root / OWNER).read_bytes())
    return f'process {owner["pid"]} on {owner["host"]}'
  except (OSError, ValueError, LookupError, TypeError):
    return 'another process'
