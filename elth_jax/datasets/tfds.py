"""Data sets that tensorflow-datasets has prepared, read without TensorFlow.

Decoded arrays are cached beside other caches of the user, so that a second
start takes a second.
"""

import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from elth_jax.datasets.dataset import Dataset
from elth_jax.files import cache_dir, write_atomically

# Per channel, of images scaled to 0..1
CIFAR_MEAN, CIFAR_STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
SPLITS = ('train', 'test')


class DatasetMissingError(Exception):
  """Prepared data that is not on this machine; says how to get it."""


def cifar10() -> Dataset:
  """CIFAR-10: 50,000 and 10,000 colour images of 32x32."""
  return _dataset('cifar10', '3.0.2', 10, CIFAR_MEAN, CIFAR_STD)


def mnist() -> Dataset:
  """MNIST: 60,000 and 10,000 grey images of 28x28."""
  return _dataset('mnist', '3.0.1', 10, (0.1307,), (0.3081,))


def data_dir() -> Path:
  """Where prepared data is looked for: TFDS_DATA_DIR, or tfds's default."""
  default = '~/tensorflow_datasets'
  return Path(os.environ.get('TFDS_DATA_DIR', default)).expanduser()


def _dataset(name, version, classes, mean, std) -> Dataset:
  folder = data_dir() / name / version
  if not (folder / 'dataset_info.json').is_file():
    raise DatasetMissingError(
      f'{name} {version} is not prepared in {data_dir()}; either point '
      'TFDS_DATA_DIR at a folder that has it, or prepare it once with\n'
      "  pip install '.[tfds]' && tfds build "
      f'{name} --data_dir={data_dir()} --file_format=array_record'
    )
  arrays = {}
  for split in SPLITS:
    arrays[f'{split}_images'], arrays[f'{split}_labels'] = _split(folder, split)
  return Dataset(name=name, classes=classes, mean=mean, std=std, **arrays)


def _split(folder: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
  """One split's images and labels, from the cache or else decoded."""
  expected = _examples(folder, split)
  stem = f'{folder.parent.name}-{folder.name}-{split}'
  paths = [cache_dir() / f'{stem}-{kind}.npy' for kind in ('images', 'labels')]
  cached = [_read_array(path) for path in paths]
  if all(array is not None and len(array) == expected for array in cached):
    return cached[0], cached[1]
  images, labels = _decode(folder, split, expected)
  for path, array in zip(paths, (images, labels), strict=True):
    write_atomically(path, _npy(array))
  return images, labels


def _examples(folder: Path, split: str) -> int:
  info = json.loads((folder / 'dataset_info.json').read_text())
  for entry in info['splits']:
    if entry['name'] == split:
      return sum(map(int, entry['shardLengths']))
  raise DatasetMissingError(
    f'{folder} has no split {split!r}; prepare it again'
  )


def _decode(folder: Path, split: str, expected: int):
  import tensorflow_datasets as tfds

  try:
    builder: Any = tfds.builder_from_directory(str(folder))
    source = builder.as_data_source(split)
  except Exception as error:
    raise DatasetMissingError(
      f'{folder} cannot be read as array_record data: {error}; prepare it '
      'again with --file_format=array_record'
    ) from error
  if len(source) != expected:
    raise DatasetMissingError(
      f'{folder}: {split} has {len(source)} records, not {expected}; '
      'prepare it again'
    )
  examples = (source[i] for i in range(expected))
  pairs = [
    (np.asarray(e['image'], np.uint8), int(e['label'])) for e in examples
  ]
  images, labels = zip(*pairs, strict=True)
  return np.stack(images), np.asarray(labels, np.int32)


def _read_array(path: Path) -> Any:
  """A cached array; `None` if there is none or its file is damaged."""
  try:
    return np.load(path, allow_pickle=False)
  except (FileNotFoundError, EOFError, ValueError):
    return None


def _npy(array: np.ndarray) -> bytes:
  buffer = io.BytesIO()
  np.save(buffer, array, allow_pickle=False)
  return buffer.getvalue()
