"""ImageNet and Places365: prepared by tensorflow-datasets' own builders.

Those need TensorFlow, and hours.
"""

import contextlib
import importlib.util
import io
import os
import tarfile
from pathlib import Path
from typing import Any

from elth_jax.datasets.dataset import DatasetError
from elth_jax.datasets.imagenet import IMAGENET, TRAIN, VALIDATION
from elth_jax.datasets.prepare.download import failed, reach
from elth_jax.datasets.tfds_stream import PreparedStream


def write(
  root: Path, data: PreparedStream, source: Path | None, cache: Path
) -> Path:
  """Prepares a large data set.

  Args:
    root: the data set's folder is made in it.
    data: what is prepared.
    source: where the published files lie; `None` downloads them.
    cache: where downloads are kept, and looked for.

  Returns:
    The folder of the version.

  Raises:
    DatasetError: if files are missing, or cannot be prepared.
  """
  manual = cache / 'manual'  # where tensorflow-datasets looks
  if not source and data.licensed and manual.is_dir():
    source = manual
  if source:
    check_files(data, source)
  elif data.licensed:
    error = PermissionError('its publisher wants you to register')
    raise failed(data.name, error, ' and '.join(data.files))
  if not importlib.util.find_spec('tensorflow'):
    raise failed(data.name, ImportError(name='tensorflow'), '')
  os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
  import tensorflow_datasets as tfds

  tfds.disable_progress_bar()
  try:
    builder: Any = tfds.builder(
      data.name, data_dir=root, file_format='array_record'
    )
    _check_version(data, builder)
    if not source:
      reach(next(iter(builder.url_infos)))
    with contextlib.redirect_stdout(io.StringIO()):  # it names `root`
      builder.download_and_prepare(
        download_dir=cache,
        download_config=tfds.download.DownloadConfig(manual_dir=source),
      )
    return Path(builder.data_dir)
  except DatasetError:
    raise
  except Exception as error:  # its errors have no common class
    raise _unprepared(data, source, error) from error


def check_files(data: PreparedStream, source: Path) -> None:
  """Checks that the published files are there, before hours of work.

  Raises:
    DatasetError: naming the file that is missing, cut off or not a tar file.
  """
  files = ', '.join(data.files)
  for name in data.files:
    path = source / name
    if not path.is_file():
      raise DatasetError(
        f'{path} is missing; {data.name} is prepared from {files}: give the '
        'folder that holds them with --from=FOLDER'
      )
  if data.name == IMAGENET.name:
    _check_members(source / TRAIN, data.classes)
    _check_members(source / VALIDATION, data.examples['test'])


def _check_members(path: Path, expected: int) -> None:
  try:
    with tarfile.open(path, 'r:') as archive:
      found = sum(member.isfile() for member in archive)
  except (OSError, tarfile.TarError) as error:
    raise DatasetError(
      f'{path} is damaged ({error}); get the published file again'
    ) from error
  if found != expected:
    raise DatasetError(
      f'{path} holds {found} files, not {expected}; get the published file '
      'again'
    )


def _check_version(data: PreparedStream, builder: Any) -> None:
  if str(builder.version) != data.version:
    raise DatasetError(
      f'the installed tensorflow-datasets prepares {data.name} '
      f'{builder.version}, not {data.version}; install tensorflow-datasets '
      '4.9.9 or 4.9.10'
    )


def _unprepared(
  data: PreparedStream, source: Path | None, error: Exception
) -> DatasetError:
  if isinstance(error, ImportError) or not source:
    return failed(data.name, error, ', '.join(data.files))
  why = ' '.join(str(error).split()) or type(error).__name__
  return DatasetError(
    f'{data.name} cannot be prepared from {source}: {why[:300]}'
  )
