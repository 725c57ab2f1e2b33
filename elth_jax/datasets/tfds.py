"""Data sets that tensorflow-datasets has prepared, read without TensorFlow.

Nothing is downloaded or unpacked here. What was prepared is counted and hashed
image by image, so that truncated or foreign data is refused. Decoded arrays are
cached with a manifest beside other caches of the user, so that a second start
takes a second.
"""

import dataclasses
import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import filelock
import numpy as np

from elth_jax import manifest
from elth_jax.datasets.dataset import (
  Dataset,
  DatasetError,
  Outline,
  content_hash,
)
from elth_jax.files import cache_dir, remove_folder, sha256

SPLITS = ('train', 'test')


class DatasetMissingError(DatasetError):
  """Prepared data that is not on this machine; says how to get it."""


@dataclasses.dataclass(frozen=True)
class Prepared:
  """One data set of tensorflow-datasets.

  Attributes:
    name: in tensorflow-datasets, and in a config.
    version: the one that is read.
    shape: (height, width, channels) of its images.
    classes: the number of classes.
    mean: per channel, of images scaled to 0..1.
    std: likewise.
    examples: by split.
    content: by split, the `content_hash` of the published data; a split that
      is left out is counted only.
  """

  name: str
  version: str
  shape: tuple[int, int, int]
  classes: int
  mean: tuple[float, ...]
  std: tuple[float, ...]
  examples: Mapping[str, int]
  content: Mapping[str, str]

  def load(self) -> Dataset:
    """The data, from the cache or else decoded.

    Raises:
      DatasetMissingError: if it was not prepared on this machine.
      DatasetError: if it is not the published data.
    """
    info = prepared_info(self.name, self.version)
    folder = info.parent
    cache = cache_dir() / f'{self.name}-{self.version}'
    cache.parent.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(cache.with_name(f'.{cache.name}.lock')):
      about = {'prepared': sha256(info)}
      arrays = _cached(cache, about)
      if arrays is None:
        arrays = self._decode(folder)
        remove_folder(cache)
        manifest.publish(cache, about, lambda aside: _save(aside, arrays))
    return Dataset(
      name=self.name,
      classes=self.classes,
      mean=self.mean,
      std=self.std,
      train_images=arrays['train_images'],
      train_labels=arrays['train_labels'],
      test_images=arrays['test_images'],
      test_labels=arrays['test_labels'],
    )

  def outline(self) -> Outline:
    """What the published data is, whether or not it is here."""
    return Outline(
      name=self.name,
      classes=self.classes,
      mean=self.mean,
      std=self.std,
      count=self.examples['train'],
      size=self.shape,
    )

  def _decode(self, folder: Path) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = {}
    for split in SPLITS:
      expected = self.examples[split]
      check_described(folder, split, expected)
      images, labels = decode(folder, split)
      _check_count(folder, split, len(images), expected)
      published = self.content.get(split)
      if published and content_hash(images, labels) != published:
        raise DatasetError(
          f'{folder}: {split} holds other images or labels than the published '
          f'{self.name} {self.version}; prepare it again'
        )
      arrays[f'{split}_images'], arrays[f'{split}_labels'] = images, labels
    return arrays


COLOUR, GREY = (32, 32, 3), (28, 28, 1)
CIFAR10 = Prepared(
  'cifar10',
  '3.0.2',
  COLOUR,
  10,
  (0.4914, 0.4822, 0.4465),
  (0.2470, 0.2435, 0.2616),
  {'train': 50_000, 'test': 10_000},
  {
    'train': '9e403a645a1c174a6fe79109361fd279a61fa5fcf4c083e0f2b0f714b519ea2b',
    'test': '68811822c78471fdca4aab8533d2d4f04deb8e2f86f57e3c232b3c5b583736cc',
  },
)
MNIST = Prepared(
  'mnist',
  '3.0.1',
  GREY,
  10,
  (0.1307,),
  (0.3081,),
  {'train': 60_000, 'test': 10_000},
  {
    'train': 'a54cf4a384d3bb5af45eb56f81d42637e1ceab547035c08a3103f93ce94ebcc8',
    'test': '19a3cdcb4cf1a5cf9b28e7e6372dceeadb74bac75e40dccbdd32560f55504c7e',
  },
)
CIFAR100 = Prepared(
  'cifar100',
  '3.0.2',
  COLOUR,
  100,
  (0.5071, 0.4865, 0.4409),
  (0.2673, 0.2564, 0.2762),
  {'train': 50_000, 'test': 10_000},
  {},
)
FASHION_MNIST = Prepared(
  'fashion_mnist',
  '3.0.1',
  GREY,
  10,
  (0.2860,),
  (0.3530,),
  {'train': 60_000, 'test': 10_000},
  {},
)
SVHN = Prepared(
  'svhn_cropped',
  '3.1.0',
  COLOUR,
  10,
  (0.4377, 0.4438, 0.4728),
  (0.1980, 0.2010, 0.1970),
  {'train': 73_257, 'test': 26_032},  # without the 531,131 extra images
  {},
)
PREPARED = (CIFAR10, CIFAR100, FASHION_MNIST, MNIST, SVHN)


def data_dir() -> Path:
  """Where prepared data is looked for: TFDS_DATA_DIR, or tfds's default."""
  default = '~/tensorflow_datasets'
  return Path(os.environ.get('TFDS_DATA_DIR', default)).expanduser()


def prepared_info(name: str, version: str) -> Path:
  """Where prepared data says what it is.

  Raises:
    DatasetMissingError: if it was not prepared on this machine.
  """
  info = data_dir() / name / version / 'dataset_info.json'
  if not info.is_file():
    raise DatasetMissingError(
      f'{name} {version} is not prepared in {data_dir()}; either point '
      'TFDS_DATA_DIR at a folder that has it, or prepare it once with\n'
      f"  pip install '.[tfds]' && tfds build {name} "
      f'--data_dir={data_dir()} --file_format=array_record'
    )
  return info


def decode(folder: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
  """Images and labels of a split, read by tensorflow-datasets.

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
    raise DatasetError(
      f'{folder} cannot be read as array_record data: {error}; prepare it '
      'again with --file_format=array_record'
    ) from error


def check_described(folder: Path, split: str, expected: int) -> None:
  """Checks how many examples the prepared data says that it has.

  Raises:
    DatasetError: if it says another number, or nothing of the split.
  """
  try:
    info = json.loads((folder / 'dataset_info.json').read_bytes())
    (entry,) = (entry for entry in info['splits'] if entry['name'] == split)
    found = sum(map(int, entry['shardLengths']))
  except (ValueError, LookupError, TypeError) as error:
    raise DatasetError(
      f'{folder}/dataset_info.json does not describe {split!r}; prepare it '
      'again'
    ) from error
  _check_count(folder, split, found, expected)


def _check_count(folder: Path, split: str, found: int, expected: int) -> None:
  if found != expected:
    raise DatasetError(
      f'{folder}: {split} has {found} examples, not {expected}; '
      'prepare it again'
    )


def _cached(
  cache: Path, about: Mapping[str, str]
) -> dict[str, np.ndarray] | None:
  """The arrays; `None` if there are none, or damaged, or of other data."""
  try:
    if manifest.check(cache)['about'] != about:
      return None
  except manifest.DamagedError:
    return None
  return {
    f'{split}_{kind}': np.load(
      cache / f'{split}_{kind}.npy', allow_pickle=False
    )
    for split in SPLITS
    for kind in ('images', 'labels')
  }


def _save(folder: Path, arrays: Mapping[str, np.ndarray]) -> None:
  for name, array in arrays.items():
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    (folder / f'{name}.npy').write_bytes(buffer.getvalue())
