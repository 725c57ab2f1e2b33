"""A copy of a workdir on an object store, in a folder; nothing changes there.

A study may work there meanwhile: what is finished is taken whole, and checked.
"""

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from elth_jax.storage.files import local_path, sha256, write_atomically
from elth_jax.storage.object_store import ObjectStore
from elth_jax.workdir import history, mirror, outputs
from elth_jax.workdir.lock import owned
from elth_jax.workdir.object_products import ObjectProducts
from elth_jax.workdir.store import Store

STATE = '.fetched.json'  # in the folder: of which workdir it is a copy


@dataclasses.dataclass(frozen=True)
class Fetched:
  """What a copy holds.

  Attributes:
    root: the folder.
    products: how many tickets and runs are in it.
    taken: how many of them were taken now.
    damaged: what cannot be used there, and why, a line each.
    closed: whether the study was done.
  """

  root: Path
  products: int
  taken: int
  damaged: tuple[str, ...]
  closed: bool


def fetch(url: str, folder: Path | str) -> Fetched:
  """Copies a workdir on an object store to a folder, or what is new of it.

  Args:
    url: `s3://bucket/path`.
    folder: is made; or an earlier copy, in which no study has gone on since.

  Raises:
    ValueError: if the URL names no bucket, or the folder is none here.
    FileNotFoundError: if there is no study at the URL.
    FileExistsError: if the folder holds anything else.
    ObjectStoreError: if the object store does not answer, or refuses.
    BusyError: if a study works in the folder.
  """
  root = local_path(folder, 'folder')
  with contextlib.closing(ObjectStore(url)) as objects:
    identity = mirror.identity(objects)
    if identity is None:
      raise FileNotFoundError(
        f'{objects.url} holds no study: no {mirror.IDENTITY}'
      )
    _check_folder(root, objects.url, identity)
    store = Store(root)
    with owned(root):
      taken, damaged = ObjectProducts(objects, store).take()
      _take_own_files(objects, root, identity)
  return Fetched(
    root,
    len(store.products()),
    taken,
    tuple(damaged),
    outputs.inspect(root).closed,
  )


def _check_folder(root: Path, url: str, identity: str) -> None:
  """Refuses a folder that holds anything but a copy, as it was taken."""
  if root.exists() and not root.is_dir():
    raise FileExistsError(f'{root} is a file; give a folder')
  if not root.exists() or not any(root.iterdir()):
    write_atomically(root / STATE, _state(identity, []))
    return
  known: Mapping[str, Any] = {}
  with contextlib.suppress(OSError, ValueError):
    known = json.loads((root / STATE).read_bytes())
  if known.get('id') != identity:
    raise FileExistsError(
      f'{root} is not empty, and no copy of {url}; give another folder'
    )
  starts = _hash(root / history.NAME)
  if starts and starts not in known['starts']:
    raise FileExistsError(
      f'a study has gone on in {root} since it was copied; give another folder'
    )


def _take_own_files(objects: ObjectStore, root: Path, identity: str) -> None:
  """Replaces the study's own files, all of one time."""
  found = mirror.own_files(objects)
  starts = [_hash(root / history.NAME)]
  if history.NAME in found:
    starts.append(hashlib.sha256(found[history.NAME]).hexdigest())
  write_atomically(root / STATE, _state(identity, starts))
  for name, data in found.items():
    write_atomically(root / name, data)


def _state(identity: str, starts: list[str]) -> str:
  """What names the copied workdir, and the hashes that its log may have."""
  return json.dumps({'id': identity, 'starts': starts}) + '\n'


def _hash(path: Path) -> str:
  """Of a file; empty if there is none."""
  return sha256(path) if path.is_file() else ''
