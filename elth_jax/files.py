"""Files that appear whole or not at all, and their hashes."""

import contextlib
import hashlib
import os
import shutil
import tempfile
from pathlib import Path

ASIDE = '.aside'  # ends the name of what is not whole yet


def write_atomically(path: Path | str, data: bytes | str) -> None:
  """Writes aside, syncs and renames, so that no reader sees half a file."""
  path = Path(path)
  path.parent.mkdir(parents=True, exist_ok=True)
  if isinstance(data, str):
    data = data.encode()
  handle, aside = tempfile.mkstemp(ASIDE, f'.{path.name}.', path.parent)
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
  sync(path.parent)


def sync(path: Path) -> None:
  """Makes a file's bytes, or renames in a folder, durable."""
  handle = os.open(path, os.O_RDONLY)
  try:
    os.fsync(handle)
  finally:
    os.close(handle)


def remove_folder(folder: Path) -> None:
  """Removes a folder that may be there; nobody sees it half removed."""
  aside = folder.with_name(f'.{folder.name}{ASIDE}')
  shutil.rmtree(aside, ignore_errors=True)
  with contextlib.suppress(FileNotFoundError):
    os.replace(folder, aside)
  shutil.rmtree(aside, ignore_errors=True)


def files_below(folder: Path) -> list[Path]:
  """All files in a folder and its folders, in a fixed order."""
  return sorted(path for path in folder.rglob('*') if path.is_file())


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
