"""Writes a small data set as tensorflow-datasets does, without TensorFlow."""

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from elth_jax.datasets.prepare.formats import Examples
from elth_jax.datasets.tfds import Prepared

CHUNK = 5_000  # examples written between two lines of progress


def write(
  folder: Path,
  data: Prepared,
  splits: Mapping[str, Examples],
  say: Callable[[str], None],
) -> None:
  """Writes shards, features and description of one version.

  Examples are in the order of tensorflow-datasets' own builder, so that data
  prepared by either is the same to a study.

  Args:
    folder: empty, and there.
    data: what is written.
    splits: name -> its examples, in published order.
    say: is told of progress.
  """
  import tensorflow_datasets as tfds

  info = tfds.core.DatasetInfo(
    builder=tfds.core.DatasetIdentity(
      name=data.name,
      version=tfds.core.Version(data.version),
      data_dir=str(folder),
      module_name=__name__,
    ),
    description=f'{data.name}, prepared by elth_jax from its published files.',
    features=tfds.features.FeaturesDict(_features(data, splits['train'])),
    supervised_keys=('image', 'label'),
  )
  writer = tfds.core.SequentialWriter(
    info,
    max_examples_per_shard=max(data.examples.values()),
    file_format='array_record',
  )
  writer.initialize_splits(list(splits))
  for split, examples in splits.items():
    order = _order(split, len(examples.labels))
    for first in range(0, len(order), CHUNK):
      rows = order[first : first + CHUNK]
      writer.add_examples(
        {split: [_example(data, split, examples, row) for row in rows]}
      )
      say(f'{first + len(rows)} of {len(order)} {split} images are written')
  writer.close_all()


def _features(data: Prepared, examples: Examples) -> dict[str, Any]:
  from tensorflow_datasets import features

  found: dict[str, Any] = {
    'image': features.Image(shape=data.shape),
    'label': features.ClassLabel(num_classes=data.classes),
  }
  if data.ids:
    found['id'] = features.Text()
  if examples.coarse is not None:
    count = int(examples.coarse.max()) + 1
    found['coarse_label'] = features.ClassLabel(num_classes=count)
  return found


def _order(split: str, count: int) -> list[int]:
  """The rows sorted by hash: how tensorflow-datasets shuffles a split."""
  from tensorflow_datasets.core import hashing

  return sorted(range(count), key=hashing.Hasher(split).hash_key)


def _example(
  data: Prepared, split: str, examples: Examples, row: int
) -> dict[str, Any]:
  example: dict[str, Any] = {
    'image': _png(examples.images[row]),
    'label': int(examples.labels[row]),
  }
  if data.ids:
    example['id'] = data.ids.format(split=split, row=row)
  if examples.coarse is not None:
    example['coarse_label'] = int(examples.coarse[row])
  return example


def _png(image: np.ndarray) -> bytes:
  file = io.BytesIO()
  grey = image.shape[-1] == 1
  Image.fromarray(image[..., 0] if grey else image).save(file, 'PNG')
  return file.getvalue()
