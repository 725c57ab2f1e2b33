"""Folders with a manifest of hashes: published whole, and checked on use.

A manifest holds the size and SHA-256 of every file, what the folder is about,
and a hash of itself. It is written last; a folder without one was not
finished. Bit rot, truncation and lost files are found; this is no protection
against somebody who also writes a new manifest.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from elth_jax.storage.files import (
  aside_of,
  files_below,
  sha256,
  sync,
  write_atomically,
  writing,
)

NAME = 'manifest.json'


class DamagedError(Exception):
  """A file or folder that is not what was written.

  Attributes:
    path: what is damaged.
    why: what is wrong with it.
  """

  def __init__(self, path: Path, why: str):
    super().__init__(f'{path} {why}')
    self.path = path
    self.why = why


def to_json(values: Mapping[str, Any]) -> str:
  """The one form in which JSON is written: the same values, the same bytes."""
  return json.dumps(values, indent=2, sort_keys=True) + '\n'


def publish(
  folder: Path, about: Mapping[str, Any], fill: Callable[[Path], None]
) -> None:
  """Makes a folder appear whole: filled aside, sealed, synced and renamed.

  Args:
    folder: where it appears; nothing may be there.
    about: JSON values kept in its manifest.
    fill: writes the files into the folder that it is given.

  Raises:
    OSError: if something is there, or the folder cannot be written.
  """
  with writing(folder):
    _publish(folder, about, fill)


def _publish(
  folder: Path, about: Mapping[str, Any], fill: Callable[[Path], None]
) -> None:
  aside = aside_of(folder)
  aside.mkdir(parents=True)
  fill(aside)
  files = files_below(aside)
  for path in files:
    sync(path)
  for inner in {path.parent for path in files}:
    sync(inner)
  seal(aside, about, files)
  os.replace(aside, folder)
  sync(folder.parent)


def seal(folder: Path, about: Mapping[str, Any], files: Iterable[Path]) -> None:
  """Writes the manifest of files in a folder."""
  found = entries(folder, files)
  write_sealed(folder / NAME, {'about': about, 'files': found})


def entries(folder: Path, files: Iterable[Path]) -> dict[str, dict[str, Any]]:
  """Files in a folder -> `sha256` and `bytes`, as manifests have them."""
  return {
    path.relative_to(folder).as_posix(): {
      'sha256': sha256(path),
      'bytes': path.stat().st_size,
    }
    for path in files
  }


def read(folder: Path) -> dict[str, Any]:
  """The manifest: `about`, and `files` with `sha256` and `bytes` by name.

  Raises:
    DamagedError: if it is missing or not as it was written.
  """
  return read_sealed(folder / NAME)


def write_sealed(path: Path, values: Mapping[str, Any]) -> None:
  """Writes JSON values with a hash of themselves."""
  write_atomically(path, sealed(values))


def sealed(values: Mapping[str, Any]) -> str:
  """What `write_sealed` writes."""
  return to_json(with_hash(values))


def read_sealed(path: Path) -> dict[str, Any]:
  """The values that `write_sealed` wrote.

  Raises:
    DamagedError: if the file is missing, or any byte of it differs.
  """
  if not path.is_file():
    raise DamagedError(path, 'is missing')
  try:
    return unsealed(path.read_bytes())
  except ValueError as error:
    raise DamagedError(path, str(error)) from None


def unsealed(content: bytes) -> dict[str, Any]:
  """The values that `sealed` was given.

  Raises:
    ValueError: if any byte differs; says how, as a `DamagedError` does.
  """
  try:
    found = json.loads(content)
    values = without_hash(found)
  except (ValueError, RecursionError):
    raise ValueError('is damaged') from None
  if to_json(found).encode() != content:
    raise ValueError('is not as it was written')
  return values


def with_hash(values: Mapping[str, Any]) -> dict[str, Any]:
  """JSON values and a hash of themselves."""
  return {**values, 'sha256': _hash(values)}


def without_hash(values: Any) -> dict[str, Any]:
  """What `with_hash` was given; `ValueError` if it does not match the hash."""
  if not isinstance(values, dict) or 'sha256' not in values:
    raise ValueError('no hash')
  rest = {name: value for name, value in values.items() if name != 'sha256'}
  if values['sha256'] != _hash(rest):
    raise ValueError('another hash')
  return rest


def check(folder: Path) -> dict[str, Any]:
  """The manifest, after every file was compared with it.

  Raises:
    DamagedError: naming the file that is missing or differs.
  """
  manifest = read(folder)
  for name, entry in manifest['files'].items():
    path = folder / name
    if not path.is_file():
      raise DamagedError(path, 'is missing')
    size = path.stat().st_size
    if size != entry['bytes']:
      raise DamagedError(path, f'has {size} bytes, not {entry["bytes"]}')
    if sha256(path) != entry['sha256']:
      raise DamagedError(path, 'does not match its SHA-256')
  return manifest


def read_file(folder: Path, name: str) -> bytes:
  """One file's bytes, checked against the manifest.

  Raises:
    DamagedError: if they are not what was written.
  """
  entry = read(folder)['files'].get(name)
  path = folder / name
  if entry is None or not path.is_file():
    raise DamagedError(path, 'is missing')
  content = path.read_bytes()
  if hashlib.sha256(content).hexdigest() != entry['sha256']:
    raise DamagedError(path, 'does not match its SHA-256')
  return content


def _hash(values: Mapping[str, Any]) -> str:
  return hashlib.sha256(to_json(values).encode()).hexdigest()
