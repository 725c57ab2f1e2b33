"""A workdir on an object store, kept alike with a folder on this machine.

workdir.json                        names the workdir; written once
.owners/                            the process that works; see `object_owner`
tickets/<node>.safetensors/, runs/<node>/   a product, its files in
  <token>/                          a folder that one writer alone writes to
  commit.json                       their names and hashes; written last, once
outdated/, damaged/                 commits that no longer count
config.json, results.csv, ...       the study's own files, replaced whole

A study works in the folder, as ever. Products that appear there are copied to
the object store, and those that are there already are taken from it. What has
no commit is not read, and is removed by the next start. Checkpoints stay here.
"""

import contextlib
import hashlib
import json
import os
import re
import sys
import threading
import uuid
from collections.abc import Callable, Generator, Mapping
from pathlib import Path

from elth_jax.process.phases import phase
from elth_jax.process.text import say
from elth_jax.storage import manifest
from elth_jax.storage.files import (
  cache_dir,
  files_below,
  is_below,
  write_atomically,
)
from elth_jax.storage.object_store import (
  ObjectStore,
  ObjectStoreError,
  normalized,
)
from elth_jax.workdir import history, outputs
from elth_jax.workdir.lock import BusyError, busy, is_busy
from elth_jax.workdir.object_owner import ObjectOwner
from elth_jax.workdir.object_products import ObjectProducts
from elth_jax.workdir.store import Store, StoreError

SCHEME = re.compile('s3:/', re.IGNORECASE)
IDENTITY = 'workdir.json'
STATE = '.mirror.json'  # in the folder: of which workdir, and how new
PUSH_SECONDS = 300.0  # between copies of the log and the report
NAME_LENGTH = 60
OWN_FILES = (*outputs.FILES, history.NAME, manifest.NAME)


def is_remote(workdir: Path | str) -> bool:
  """Whether a workdir is on an object store."""
  return isinstance(workdir, str | os.PathLike) and bool(
    SCHEME.match(os.fsdecode(workdir))
  )


def local_root(workdir: Path | str) -> Path | str:
  """The folder in which a study works; the workdir itself if that is local.

  Raises:
    StoreError: if a URL names no bucket, or no cache folder is known.
  """
  if not is_remote(workdir):
    return workdir
  try:
    url = normalized(os.fspath(workdir))
    cache = cache_dir()
  except ValueError as error:
    raise StoreError(f'workdir: {error}') from error
  # the same URL may be a bucket of another server
  where = os.environ.get('AWS_ENDPOINT_URL_S3') or os.environ.get(
    'AWS_ENDPOINT_URL', ''
  )
  digest = hashlib.sha256(f'{where} {url}'.encode()).hexdigest()
  name = re.sub(r'[^A-Za-z0-9._]+', '-', url.removeprefix('s3://'))
  return cache / 'workdirs' / f'{name[:NAME_LENGTH]}-{digest[:8]}'


@contextlib.contextmanager
def kept_alike(
  workdir: Path | str,
  store: Store,
  lease_seconds: float,
  asked_to_stop: Callable[[], bool] = lambda: False,
) -> Generator[None]:
  """Keeps an object store and a folder alike; a local workdir is left alone.

  Args:
    workdir: as a person gave it.
    store: of `local_root(workdir)`.
    lease_seconds: of silence after which another process is taken for dead.
    asked_to_stop: looked at while waiting to know.

  Raises:
    BusyError: if another process works in the workdir.
    StoreError: if the object store cannot be used.
  """
  if not is_remote(workdir):
    yield
    return
  with contextlib.closing(_connected(workdir)) as objects:
    owner = ObjectOwner(objects, lease_seconds)
    mirror = Mirror(objects, store, owner)
    mirror.find_place(asked_to_stop)
    with owner.owned():
      say(f'{objects.url} is kept alike with {store.root}')
      with phase('object store'):
        mirror.pull()
      with mirror.listening():
        yield


def _connected(workdir: Path | str) -> ObjectStore:
  try:
    return ObjectStore(os.fspath(workdir))
  except ObjectStoreError as error:
    raise StoreError(f'workdir {error}') from error


class Mirror:
  """Copies between a workdir on an object store and a folder.

  Args:
    objects: the workdir.
    store: the folder.
    owner: this process.
  """

  def __init__(self, objects: ObjectStore, store: Store, owner: ObjectOwner):
    self.objects = objects
    self.store = store
    self.owner = owner
    self.products = ObjectProducts(objects, store, owner.require)
    self._state = store.root / STATE
    self._pushed: dict[str, str] = {}  # name of a file -> its hash there

  def find_place(self, asked_to_stop: Callable[[], bool]) -> None:
    """Makes the folder, empty unless it is of this workdir.

    Raises:
      BusyError: if another process works in the workdir.
      StoreError: if the object store creates nothing exclusively.
    """
    identity = self._identity()
    self.owner.find_free(asked_to_stop)
    root = self.store.root
    if self._known().get('id', identity) != identity:
      if is_busy(root):
        raise BusyError(busy(root, 'another process'))
      aside = root.with_name(f'{root.name}.{uuid.uuid4().hex[:8]}')
      os.replace(root, aside)
      say(f'NOTE {root} was of another workdir; it is now {aside}', sys.stderr)
    self.store.make()
    if self._is_newer():  # and stays so, if this start ends at once
      tokens = [self.owner.before, self.owner.token]
      self._write_state(identity, tokens)

  def pull(self) -> None:
    """Takes what the object store has, and gives it what it lacks.

    Products that are there stay as they are. Of the study's own files, those
    here are newer if this folder was the last one that was worked in.
    """
    self.products.exchange()
    if not self._is_newer():
      self._pull_files()
      self.store.forget_partials()  # the log knows nothing of them
    self._write_state(self._identity(), [self.owner.token])

  @contextlib.contextmanager
  def listening(self) -> Generator[None]:
    """Copies all that changes, until the study ends."""
    self.store.on_published = self._published
    self.store.on_outdated = self.products.outdated
    try:
      with self._pushing_often():
        yield
    except BaseException:
      with contextlib.suppress(BusyError), _noted():
        self._push_all()
      raise
    self._push_all()

  def _published(self, path: Path) -> None:
    with phase('object store'):
      if not self._pushed:  # what was asked for, before what came of it
        with _noted():
          self.push_files()
      self.products.published(path)

  def _push_all(self) -> None:
    with phase('object store'):
      self.products.push_missing()
      self.push_files(last=True)

  def push_files(self, last: bool = False) -> None:
    """Copies those of the study's own files that have changed.

    Meanwhile the manifest there says that the study is open; `last` copies the
    manifest that is here.
    """
    self.owner.require()
    found = self._own_files()
    if outputs.CONFIG not in found:
      return
    seal = found.pop(manifest.NAME, b'')
    changed = {
      name: data
      for name, data in found.items()
      if self._pushed.get(name) != _hash(data)
    }
    if changed:
      self._push(outputs.CONFIG, found[outputs.CONFIG])
      self._push(manifest.NAME, outputs.open_seal(self.store).encode())
      for name, data in changed.items():
        self._push(name, data)
    if last and seal:
      self._push(manifest.NAME, seal)

  def _push(self, name: str, data: bytes) -> None:
    if self._pushed.get(name) != _hash(data):
      self.objects.write(name, data)
      self._pushed[name] = _hash(data)

  @contextlib.contextmanager
  def _pushing_often(self) -> Generator[None]:
    ended = threading.Event()

    def push_often() -> None:
      while not ended.wait(PUSH_SECONDS):
        with contextlib.suppress(BusyError), _noted():
          self.push_files()

    thread = threading.Thread(target=push_often, daemon=True)
    thread.start()
    try:
      yield
    finally:
      ended.set()
      thread.join()

  def _own_files(self) -> dict[str, bytes]:
    root = self.store.root
    paths = [root / name for name in OWN_FILES if (root / name).is_file()]
    paths += files_below(root / outputs.FIGURES)
    return {
      path.relative_to(root).as_posix(): path.read_bytes() for path in paths
    }

  def _pull_files(self) -> None:
    for name, data in own_files(self.objects).items():
      write_atomically(self.store.root / name, data)
      self._pushed[name] = _hash(data)

  def _is_newer(self) -> bool:
    """Whether nobody has worked on the workdir since this folder did."""
    return self.owner.before in self._known().get('tokens', ())

  def _known(self) -> Mapping:
    with contextlib.suppress(OSError, ValueError):
      return json.loads(self._state.read_bytes())
    return {}

  def _write_state(self, identity: str, tokens: list[str]) -> None:
    state = {'url': self.objects.url, 'id': identity, 'tokens': tokens}
    write_atomically(self._state, json.dumps(state) + '\n')

  def _identity(self) -> str:
    """What names the workdir; it is begun where there is none.

    Raises:
      StoreError: if the object store creates nothing exclusively.
    """
    found = identity(self.objects)
    if found is None:
      mine = json.dumps({'format': 1, 'id': uuid.uuid4().hex}).encode()
      self.objects.write_once(IDENTITY, mine)
      if self.objects.write_once(IDENTITY, mine):
        self.objects.delete([IDENTITY])
        raise StoreError(
          f'workdir {self.objects.url}: this object store replaces objects '
          'that must be created once (If-None-Match); give another --workdir'
        )
      found = identity(self.objects)
    return str(found)


def identity(objects: ObjectStore) -> str | None:
  """What names the workdir; `None` if none was begun.

  Raises:
    StoreError: if it is damaged.
  """
  found = objects.read_all([IDENTITY])
  if not found:
    return None
  try:
    return str(json.loads(found[IDENTITY])['id'])
  except (ValueError, LookupError, TypeError) as error:
    raise StoreError(
      f'{objects.url}/{IDENTITY} is damaged; give another --workdir'
    ) from error


def own_files(objects: ObjectStore) -> dict[str, bytes]:
  """The study's own files; if it is done, as its manifest has them.

  A study that goes on replaces them while they are read; where the manifest
  changes meanwhile, they are read again.

  Raises:
    StoreError: if a name there is of no file below the workdir.
  """
  while True:
    before = objects.read_all([manifest.NAME])
    figures = list(objects.sizes(outputs.FIGURES))
    if unsafe := [name for name in figures if not is_below(name)]:
      raise StoreError(
        f'{objects.url} has an object {unsafe[0]!r}, which names no file of a '
        'study; delete it there'
      )
    names = [*OWN_FILES, *figures]
    found = objects.read_all(names)
    if before == objects.read_all([manifest.NAME]):
      return found


@contextlib.contextmanager
def _noted() -> Generator[None]:
  """What could not be copied now is copied later; says so."""
  try:
    yield
  except OSError as error:
    say(f'NOTE {error}; it is tried again', sys.stderr)


def _hash(data: bytes) -> str:
  return hashlib.sha256(data).hexdigest()
