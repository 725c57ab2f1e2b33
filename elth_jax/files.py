"""Files that appear whole or not at all, and their hashes."""

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path


def write_atomically(path: Path | str, data: bytes | str) -> None:
  """Writes aside, syncs and renames, so that no reader sees half a file."""
  path = Path(path)
  path.parent.mkdir(parents=True, exist_ok=True)
  if isinstance(data, str):
    data = data.encode()
  handle, aside = tempfile.mkstemp(dir=path.parent, prefix=f'.{path.name}.')
  try:
    with os.fdopen(handle, 'wb') as file:
      file.write(data)
      file.flush()
      os.fsync(file.fileno())
    os.chmod(aside, 0o644)
    os.replace(aside, path)
  except BaseException:
    with contextlib.suppress(OSError):
      os.unlink(aside)
    raise
  sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
  """Makes renames in `folder` durable where the system allows it."""
  handle = os.open(folder, os.O_RDONLY)
  try:
    os.fsync(handle)
  finally:
    os.close(handle)


def sha256(path: Path) -> str:
  """The SHA-256 of a file's bytes, in hexadecimal."""
  with path.open('rb') as file:
    return hashlib.file_digest(file, 'sha256').hexdigest()


def cache_dir() -> Path:
  """Where what can be made again is kept: ELTH_JAX_CACHE, or below ~/.cache.

  Decoded images and compiled programs; removing it costs time alone.
  """
  base = os.environ.get('XDG_CACHE_HOME', '~/.cache')
  default = f'{base}/elth_jax'
  return Path(os.environ.get('ELTH_JAX_CACHE', default)).expanduser()
