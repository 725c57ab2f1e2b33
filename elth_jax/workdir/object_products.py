"""Products of a study on an object store: written whole, once, and checked."""

import contextlib
import os
import shutil
import sys
import uuid
from collections.abc import Callable, Generator, Iterable, Mapping
from pathlib import Path
from typing import Any

from elth_jax.process.text import say
from elth_jax.storage import manifest
from elth_jax.storage.files import (
  aside_of,
  files_below,
  is_below,
  remove_folder,
  sync,
  write_atomically,
)
from elth_jax.storage.manifest import DamagedError
from elth_jax.storage.object_store import ObjectStore, ObjectStoreError
from elth_jax.tickets import file as ticket_file
from elth_jax.workdir.store import Store, StoreError

COMMIT = 'commit.json'
FOLDERS = ('tickets', 'runs')
MOST_TRIES = 3  # to commit a product, where others' turn out to be damaged

Files = dict[str, dict[str, Any]]  # name -> sha256, bytes and object


class ObjectProducts:
  """Products here and on an object store.

  A product's name is its path in the folder.

  Args:
    objects: the workdir.
    store: the folder.
    require_owner: raises an error if another process owns the workdir now; of
      who only reads, none.

  Attributes:
    committed: names of the products that are there.
  """

  def __init__(
    self,
    objects: ObjectStore,
    store: Store,
    require_owner: Callable[[], None] = lambda: None,
  ):
    self.objects = objects
    self.store = store
    self.require_owner = require_owner
    self.committed: set[str] = set()

  def exchange(self) -> None:
    """Makes the products here and there the same; nobody else may write."""
    sizes = self.objects.sizes()
    used = {name for name in sizes if name.endswith(f'/{COMMIT}')}
    for name, content in self._read_commits(used).items():
      try:
        files = _parse(name, content)
        used.update(entry['object'] for entry in files.values())
        if _counts(name):
          self._compare(name, files, sizes)
      except ValueError as error:
        if _counts(name):
          self._give_up(name, error)
    self.objects.delete(name for name in sizes.keys() - used if _counts(name))
    self.push_missing()

  def take(self) -> tuple[int, list[str]]:
    """Makes the products here those that are there, and changes none there.

    Returns:
      how many were taken, and what cannot be used there and why, a line each.
    """
    sizes = self.objects.sizes()
    commits = [
      name for name in sizes if name.endswith(f'/{COMMIT}') and _counts(name)
    ]
    found = self._read_commits(commits)
    taken, damaged = 0, []
    for name, content in found.items():
      try:
        taken += self._compare(name, _parse(name, content), sizes)
      except ValueError as error:
        damaged.append(f'{self.objects.url}/{name} cannot be used: {error}')
    for path in self.store.products():
      if self._name(path) not in found:
        remove_folder(path) if path.is_dir() else path.unlink()
    return taken, damaged

  def push_missing(self) -> None:
    """Copies all products that are only here."""
    for path in sorted(self.store.products()):
      if self._name(path) not in self.committed:
        self.push(path)

  def published(self, path: Path) -> None:
    """A product has appeared here; without a network it is copied later."""
    self.committed.discard(self._name(path))  # it may have been made again
    try:
      self.push_missing()
    except ObjectStoreError as error:
      say(f'NOTE {error}; {path.name} is copied there later', sys.stderr)

  def outdated(self, path: Path) -> None:
    """A product here is to be made again."""
    self.retire(self._name(path), 'outdated')

  def push(self, path: Path) -> None:
    """Copies a product: its files, and then its commit, exclusively.

    If another one was committed, that one stays, and is taken.

    Raises:
      StoreError: if what others committed was damaged again and again.
    """
    name = self._name(path)
    for _ in range(MOST_TRIES):
      folder = f'{name}/{uuid.uuid4().hex[:8]}'
      files: Files = {
        file: {**entry, 'object': f'{folder}/{file}'}
        for file, entry in _entries(path).items()
      }
      base = path if path.is_dir() else path.parent
      self.objects.write_all(
        {files[file]['object']: (base / file).read_bytes() for file in files}
      )
      self.require_owner()
      record = manifest.sealed({'files': files}).encode()
      if self.objects.write_once(f'{name}/{COMMIT}', record) or (
        self._come_late(name, files)
      ):
        self.committed.add(name)
        return
    raise StoreError(
      f'{self.objects.url}/{name} was damaged {MOST_TRIES} times; give another '
      '--workdir'
    )

  def retire(self, name: str, folder: str) -> None:
    """Moves a product's commit below a folder, where it no longer counts."""
    self.committed.discard(name)
    commit = f'{name}/{COMMIT}'
    for content in self.objects.read_all([commit]).values():
      aside = f'{folder}/{uuid.uuid4().hex[:8]}/{commit}'
      self.objects.write(aside, content)
      self.objects.delete([commit])

  def _come_late(self, name: str, mine: Files) -> bool:
    """Takes what is committed; false if it cannot be used, and is retired."""
    try:
      theirs = _parse(name, self.objects.read(f'{name}/{COMMIT}'))
      if theirs == mine:  # the answer to this process's commit was lost
        return True
      self.objects.delete(entry['object'] for entry in mine.values())
      if _hashes(theirs) != _hashes(mine):
        self._fetch(name, theirs)
        self._say_differs(name)
    except FileNotFoundError:
      return False
    except ValueError as error:
      self._give_up(name, error)
      return False
    return True

  def _read_commits(self, commits: Iterable[str]) -> dict[str, bytes]:
    """Name of a product, which may be one that no longer counts -> commit."""
    found = self.objects.read_all(commits)
    return {
      commit.removesuffix(f'/{COMMIT}'): content
      for commit, content in found.items()
    }

  def _compare(self, name: str, files: Files, sizes: Mapping[str, int]) -> bool:
    """Takes a product that is not the one here; whether it did.

    Raises:
      ValueError: if it cannot be used.
    """
    for entry in files.values():
      if sizes.get(entry['object']) != entry['bytes']:
        raise ValueError(f'{entry["object"]} is missing, or of another size')
    path = self.store.root / name
    there = path.exists()
    same = there and _hashes(_entries(path)) == _hashes(files)
    if not same:
      self._fetch(name, files)
      if there:
        self._say_differs(name)
    self.committed.add(name)
    return not same

  def _fetch(self, name: str, files: Files) -> None:
    """Puts a product's files here, all of them checked.

    Raises:
      ValueError: naming what is missing or damaged there.
    """
    path = self.store.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    found = self.objects.read_all(entry['object'] for entry in files.values())
    with _temporary(aside_of(path)) as aside:
      for file, entry in files.items():
        if entry['object'] not in found:
          raise ValueError(f'{entry["object"]} is missing')
        write_atomically(aside / file, found[entry['object']])
      _check(aside, files)
      whole = aside / path.name if name.startswith('tickets/') else aside
      if path.is_dir():
        remove_folder(path)
      os.replace(whole, path)
      sync(path.parent)

  def _give_up(self, name: str, error: ValueError) -> None:
    self.retire(name, 'damaged')
    here = (self.store.root / name).exists()
    then = 'it is copied there again' if here else 'it is made again'
    note = f'{self.objects.url}/{name} cannot be used: {error}; {then}'
    self.store.notes.append(note)
    say(f'NOTE {note}', sys.stderr)

  def _say_differs(self, name: str) -> None:
    say(
      f'NOTE {self.store.root / name} differed from {self.objects.url}/{name}, '
      'which was there first, and is taken',
      sys.stderr,
    )

  def _name(self, path: Path) -> str:
    return path.relative_to(self.store.root).as_posix()


def _counts(name: str) -> bool:
  """Whether something is of the products, and not set aside."""
  return name.partition('/')[0] in FOLDERS


def _parse(name: str, content: bytes) -> Files:
  """A commit's files; `ValueError` if it is not what was written."""
  try:
    files = manifest.unsealed(content)['files']
  except (ValueError, LookupError) as error:
    raise ValueError(f'{name}/{COMMIT} {error}') from error
  if unsafe := [place for place in (name, *files) if not is_below(place)]:
    raise ValueError(f'{name}/{COMMIT} names {unsafe[0]!r}')
  return files


def _entries(path: Path) -> Files:
  """The files of a product that is here."""
  if path.is_dir():
    return manifest.entries(path, files_below(path))
  return manifest.entries(path.parent, [path])


def _hashes(files: Files) -> dict[str, str]:
  return {file: entry['sha256'] for file, entry in files.items()}


def _check(folder: Path, files: Files) -> None:
  """Compares a copy with its commit, and with the hashes that it holds."""
  there = _hashes(manifest.entries(folder, files_below(folder)))
  for file, digest in _hashes(files).items():
    if there[file] != digest:
      raise ValueError(f'{files[file]["object"]} does not match its SHA-256')
  try:
    if manifest.NAME in files:
      manifest.check(folder)
    else:
      (ticket,) = files
      ticket_file.read_about(folder / ticket)
  except DamagedError as error:
    raise ValueError(f'{error.path.name} {error.why}') from error
  except (LookupError, TypeError) as error:
    raise ValueError(f'no ticket can be read: {error}') from error


@contextlib.contextmanager
def _temporary(folder: Path) -> Generator[Path]:
  folder.mkdir()
  try:
    yield folder
  finally:
    shutil.rmtree(folder, ignore_errors=True)
