"""Streams of what tensorflow-datasets has prepared, for large data sets."""

import dataclasses
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from elth_jax.datasets.dataset import IMAGENET_MEAN, IMAGENET_STD, Outline
from elth_jax.datasets.prepared import (
  check_count,
  check_described,
  prepared_info,
  unreadable,
)
from elth_jax.datasets.stream import Records, Stream

SPLITS = {'train': 'train', 'test': 'validation'}


@dataclasses.dataclass(frozen=True)
class PreparedStream:
  """One data set of tensorflow-datasets that does not fit into memory.

  Attributes:
    name: in tensorflow-datasets, and in a config.
    version: the one that is read.
    classes: the number of classes.
    examples: by split, ours.
    files: the published files that it is prepared from.
    licensed: whether these are not to be had without registration.
    mean: per channel, of images scaled to 0..1.
    std: likewise.
    side: pixels of a cut image.
    splits: our name of a split -> its name there. The published test sets have
      no labels.
  """

  name: str
  version: str
  classes: int
  examples: Mapping[str, int]
  files: tuple[str, ...]
  licensed: bool = False
  mean: tuple[float, ...] = IMAGENET_MEAN
  std: tuple[float, ...] = IMAGENET_STD
  side: int = 224
  splits: Mapping[str, str] = dataclasses.field(
    default_factory=lambda: dict(SPLITS)
  )

  def load(self) -> Stream:
    """The data, opened; images are read when they are needed.

    Raises:
      DatasetMissingError: if it was not prepared on this machine.
      DatasetError: if its counts are not the published ones, or files are
        missing.
    """
    return self.opened(prepared_info(self.name, self.version).parent)

  def opened(self, folder: Path) -> Stream:
    """Prepared data in the folder of its version; counts are verified.

    Raises:
      DatasetError: as `load`.
    """
    found: dict[str, Records] = {}
    for split, theirs in self.splits.items():
      expected = self.examples[split]
      check_described(folder, theirs, expected, self.name)
      found[split] = _records(folder, theirs, self.name)
      check_count(folder, theirs, len(found[split]), expected, self.name)
    return Stream(
      name=self.name,
      classes=self.classes,
      mean=self.mean,
      std=self.std,
      side=self.side,
      fingerprint=_fingerprint(folder),
      train=found['train'],
      test=found['test'],
    )

  def outline(self) -> Outline:
    """What the published data is, whether or not it is here."""
    return Outline(
      name=self.name,
      classes=self.classes,
      mean=self.mean,
      std=self.std,
      count=self.examples['train'],
      size=(self.side, self.side, 3),
      test_count=self.examples['test'],
    )


def _records(folder: Path, split: str, name: str) -> Records:
  """Random access to a split's records, images still encoded."""
  import tensorflow_datasets as tfds

  try:
    builder: Any = tfds.builder_from_directory(str(folder))
    return builder.as_data_source(
      split, decoders={'image': tfds.decode.SkipDecoding()}
    )
  except Exception as error:  # its errors have no common class
    raise unreadable(folder, name, error) from error


def _fingerprint(folder: Path) -> str:
  """A hash of what the data says of itself, and of its files' sizes."""
  digest = hashlib.sha256()
  for path in sorted(folder.iterdir()):
    digest.update(f'{path.name} {path.stat().st_size}\n'.encode())
    if path.suffix == '.json':
      digest.update(path.read_bytes())
  return digest.hexdigest()
