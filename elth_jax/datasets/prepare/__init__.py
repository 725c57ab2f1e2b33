"""Prepares real data sets once, whole or not at all."""

import contextlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import filelock

from elth_jax.datasets import DATASETS, find
from elth_jax.datasets.dataset import DatasetError
from elth_jax.datasets.prepare import (
  download,
  large,
  published,
  writing,
)
from elth_jax.datasets.prepare.formats import Examples
from elth_jax.datasets.prepared import data_dir
from elth_jax.datasets.tfds import Prepared
from elth_jax.datasets.tfds_stream import PreparedStream
from elth_jax.storage.files import (
  ASIDE,
  files_below,
  remove_folder,
  sync,
)

Say = Callable[[str], None]


def prepare(name: str, source: Path | None, say: Say) -> None:
  """Makes a data set ready for `datasets.load`, if it is not.

  It appears in `TFDS_DATA_DIR` whole and verified, or not at all.

  Args:
    name: of the data set, or of a half of one.
    source: the folder with its published files; `None` downloads them.
    say: is told of progress, a line at a time.

  Raises:
    ValueError: if the name is unknown.
    DatasetError: if it cannot be prepared; says what to do.
    OSError: if a folder cannot be written.
  """
  whole = find(name).half_of
  if whole:
    say(f'{name} is a half of {whole}, which is prepared whole')
    name = whole
  data: Prepared | PreparedStream | None = find(name).prepared
  if data is None:
    return say(f'{name} is loaded as it is; there is nothing to prepare')
  if source and not source.is_dir():
    what = 'is a file' if source.exists() else 'does not exist'
    raise DatasetError(
      f'--from: {source} {what}; give the folder that holds the published files'
    )
  folder = data_dir() / name / data.version
  if is_whole(data, folder, say):
    return say(f'{folder} is prepared already, and whole')
  with _alone(folder):
    _make(data, folder, source, say)
  return say(f'{folder} is prepared, and verified')


def is_whole(data: Prepared | PreparedStream, folder: Path, say: Say) -> bool:
  """Whether prepared data is there and can be used; says why if not.

  Raises:
    DatasetError: if there is data in another format, which is not replaced.
  """
  if not folder.exists():
    return False
  with contextlib.suppress(OSError, ValueError, AttributeError):
    about = json.loads((folder / 'dataset_info.json').read_bytes())
    other = about.get('fileFormat', 'array_record')
    if other != 'array_record':
      raise DatasetError(
        f'{folder} holds {other} data, perhaps of another program; move it '
        'away, or set TFDS_DATA_DIR to another folder'
      )
  say(f'verifying {folder}')
  try:
    verify(data, folder)
  except DatasetError as error:
    say(f'{error}; it is replaced')
    return False
  return True


def verify(data: Prepared | PreparedStream, folder: Path) -> None:
  """Checks prepared data without any cache; `DatasetError` if it is wrong."""
  if isinstance(data, Prepared):
    data.decoded(folder)
  else:
    data.opened(folder)


@contextlib.contextmanager
def _alone(folder: Path):
  """Keeps others from preparing the same, and takes away what was not used."""
  root = folder.parents[1]
  lock = filelock.FileLock(root / f'.{folder.parent.name}.lock')
  try:
    root.mkdir(parents=True, exist_ok=True)
    held = lock.acquire(timeout=0)
  except filelock.Timeout as error:
    raise DatasetError(
      f'{folder} is being prepared by another process; wait for it'
    ) from error
  except OSError as error:
    raise DatasetError(
      f'{root} cannot be written ({error.strerror}); set TFDS_DATA_DIR to '
      'another folder'
    ) from error
  with held:
    try:
      yield
    finally:
      shutil.rmtree(_aside(folder), ignore_errors=True)


def written_since(name: str, start: float) -> int:
  """Bytes that a preparation has downloaded and written so far.

  Args:
    name: of the data set.
    start: when it began, as of `time.time`.
  """
  half_of = DATASETS[name].half_of if name in DATASETS else ''
  name, root, total = half_of or name, data_dir(), 0
  for folder in (root / f'.{name}{ASIDE}', root / 'downloads'):
    for path in folder.rglob('*'):
      with contextlib.suppress(OSError):  # files come and go
        about = path.stat()
        total += about.st_size if about.st_mtime >= start else 0
  return total


def _aside(folder: Path) -> Path:
  return folder.parents[1] / f'.{folder.parent.name}{ASIDE}'


def _make(
  data: Prepared | PreparedStream, folder: Path, source: Path | None, say: Say
) -> None:
  aside = _aside(folder)
  shutil.rmtree(aside, ignore_errors=True)  # of a process that was killed
  cache = folder.parents[1] / 'downloads'
  if isinstance(data, Prepared):
    splits = _published(data, source, cache, say)
    made = aside / data.name / data.version
    made.mkdir(parents=True)
    _write(made, data, splits, say)
  else:
    aside.mkdir()
    made = large.write(aside, data, source, cache)
  say('verifying what was written')
  verify(data, made)
  _publish(made, folder)


def _published(
  data: Prepared, source: Path | None, cache: Path, say: Say
) -> dict[str, Examples]:
  """The published examples, verified before anything is written."""
  if source:
    say(f'reading {source}')
    splits = published.read(data, source)
  else:
    splits = download.read(data, cache, say)
  for split, examples in splits.items():
    wrong = data.difference(split, examples.images, examples.labels)
    if wrong:
      raise DatasetError(
        f'{source or cache}: {split} {wrong}; get the published files again: '
        f'{published.wanted(data)}'
      )
  return splits


def _write(
  folder: Path, data: Prepared, splits: dict[str, Examples], say: Say
) -> None:
  try:
    writing.write(folder, data, splits, say)
  except Exception as error:  # its errors have no common class
    why = ' '.join(str(error).split())
    raise DatasetError(
      f'{folder} cannot be written: {why[:300]}; is the disk full?'
    ) from error


def _publish(made: Path, folder: Path) -> None:
  """Makes what is whole durable, and puts it where it is read."""
  for path in files_below(made):
    sync(path)
  sync(made)
  folder.parent.mkdir(parents=True, exist_ok=True)
  remove_folder(folder)
  os.replace(made, folder)
  sync(folder.parent)
