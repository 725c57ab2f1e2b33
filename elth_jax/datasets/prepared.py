"""Folders of prepared data: where they are, and reading and checking them.

tensorflow-datasets reads the files, without TensorFlow.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from elth_jax.datasets.dataset import DatasetError
from elth_jax.storage.files import environment_path


class DatasetMissingError(DatasetError):
  """Prepared data that is not on this machine; says how to get it."""


def data_dir() -> Path:
  """Where prepared data is looked for: TFDS_DATA_DIR, or tfds's default."""
  return environment_path('TFDS_DATA_DIR', '~/tensorflow_datasets')


def again(name: str) -> str:
  """The remedy for prepared data that cannot be used."""
  return f'prepare it again: python -m elth_jax.prepare {name}'


def prepared_info(name: str, version: str) -> Path:
  """Where prepared data says what it is.

  Raises:
    DatasetMissingError: if it was not prepared on this machine.
  """
  info = data_dir() / name / version / 'dataset_info.json'
  if not info.is_file():
    others = sorted(
      p.parent.name for p in info.parents[1].glob('[0-9]*/*info*')
    )
    found = f' (it has {", ".join(others)})' if others else ''
    raise DatasetMissingError(
      f'{name} {version} is not prepared in {data_dir()}{found}; either point '
      'TFDS_DATA_DIR at a folder that has it, or prepare it once: '
      f'python -m elth_jax.prepare {name}'
    )
  return info


def decode(
  folder: Path, split: str, name: str
) -> tuple[np.ndarray, np.ndarray]:
  """Images and labels of a split, read by tensorflow-datasets.

  Args:
    folder: of the version, with `dataset_info.json`.
    split: train or test.
    name: of the data set, for errors.

  Raises:
    DatasetError: if the files cannot be read.
  """
  import tensorflow_datasets as tfds

  try:
    builder: Any = tfds.builder_from_directory(str(folder))
    source = builder.as_data_source(split)
    examples = [source[i] for i in range(len(source))]
    images = [np.asarray(example['image'], np.uint8) for example in examples]
    labels = [int(example['label']) for example in examples]
    return np.stack(images), np.asarray(labels, np.int32)
  except Exception as error:  # its errors have no common class
    raise unreadable(folder, name, error) from error


def unreadable(folder: Path, name: str, error: Exception) -> DatasetError:
  """The error for prepared data that tensorflow-datasets cannot read."""
  if isinstance(error, ImportError):
    return DatasetError(
      f'{folder} is read with the package {error.name or error}, which is not '
      'installed (there is no array_record for Windows); install elth_jax on '
      'Linux, macOS or in WSL'
    )
  why = ' '.join(str(error).split())
  return DatasetError(
    f'{folder} cannot be read as array_record data: {why}; {again(name)}'
  )


def check_described(folder: Path, split: str, expected: int, name: str) -> None:
  """Checks how many examples the prepared data says that it has.

  Args:
    folder: of the version, with `dataset_info.json`.
    split: as the data calls it.
    expected: how many examples the published split has.
    name: of the data set, for errors.

  Raises:
    DatasetError: if it says another number, or nothing of the split.
  """
  try:
    info = json.loads((folder / 'dataset_info.json').read_bytes())
    (entry,) = (entry for entry in info['splits'] if entry['name'] == split)
    found = sum(map(int, entry['shardLengths']))
  except (ValueError, LookupError, TypeError) as error:
    raise DatasetError(
      f'{folder}/dataset_info.json does not describe {split!r}; {again(name)}'
    ) from error
  check_count(folder, split, found, expected, name)


def check_count(
  folder: Path, split: str, found: int, expected: int, name: str
) -> None:
  """Checks how many examples a split has; `DatasetError` if it has others."""
  if found != expected:
    raise DatasetError(
      f'{folder}: {split} has {found} examples, not {expected}; {again(name)}'
    )
