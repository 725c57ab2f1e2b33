"""Data sets in tensorflow-datasets' array_record format, without TensorFlow.

Nothing is downloaded or unpacked here; `python -m elth_jax.prepare NAME` does
that. What was prepared is counted and hashed image by image, so that truncated
or foreign data is refused. Decoded arrays are cached with a manifest beside
other caches of the user, so that a second start takes a second.
"""

import dataclasses
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import filelock
import numpy as np

from elth_jax.datasets.dataset import (
  Dataset,
  DatasetError,
  Outline,
  Stats,
  content_hash,
)
from elth_jax.datasets.prepared import (
  again,
  check_described,
  decode,
  prepared_info,
)
from elth_jax.datasets.registry import DATASETS
from elth_jax.storage import manifest
from elth_jax.storage.files import cache_dir, remove_folder, sha256

SPLITS = ('train', 'test')
TOLERANCE = 2e-3  # of mean and std; published ones have three or four digits


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
    content: by split, the `content_hash` of the published data. Where it is
      not known, images are counted, and the mean and std of the training
      images are compared.
    forms: returns the forms in which its files are published, as
      `prepare.published.Form`, the one to download first.
    ids: how tensorflow-datasets names an example, with `{split}` and `{row}`;
      empty where it does not.
    published_stats: as in `Images`.
  """

  name: str
  version: str
  shape: tuple[int, int, int]
  classes: int
  mean: tuple[float, ...]
  std: tuple[float, ...]
  examples: Mapping[str, int]
  content: Mapping[str, str]
  forms: Callable[[], tuple[Any, ...]]
  ids: str = ''
  published_stats: Stats | None = None

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
        arrays = self.decoded(folder)
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
      published_stats=self.published_stats,
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
      test_count=self.examples['test'],
      published_stats=self.published_stats,
    )

  def decoded(self, folder: Path) -> dict[str, np.ndarray]:
    """The arrays of prepared data, verified.

    Args:
      folder: of the version, with `dataset_info.json`.

    Returns:
      `train_images`, `train_labels`, `test_images` and `test_labels`, as in
      `Dataset`.

    Raises:
      DatasetError: if they are not the published data, or cannot be read.
    """
    arrays: dict[str, np.ndarray] = {}
    for split in SPLITS:
      check_described(folder, split, self.examples[split], self.name)
      images, labels = decode(folder, split, self.name)
      wrong = self.difference(split, images, labels)
      if wrong:
        raise DatasetError(f'{folder}: {split} {wrong}; {again(self.name)}')
      arrays[f'{split}_images'], arrays[f'{split}_labels'] = images, labels
    return arrays

  def difference(
    self, split: str, images: np.ndarray, labels: np.ndarray
  ) -> str:
    """How a split differs from the published one; empty if it does not.

    Args:
      split: train or test.
      images: uint8 (examples, height, width, channels).
      labels: integers (examples,).
    """
    expected = (self.examples[split], *self.shape)
    if len(images) != expected[0]:
      return f'has {len(images)} examples, not {expected[0]}'
    if images.shape != expected:
      return f'has images of shape {images.shape[1:]}, not {self.shape}'
    if labels.min() < 0 or labels.max() >= self.classes:
      return f'has labels from {labels.min()} to {labels.max()}'
    if split in self.content:
      found = content_hash(images, labels)
      return '' if found == self.content[split] else self._foreign(found)
    if split == 'train' and not self._has_stats(images):
      return self._foreign('')
    return ''

  def _foreign(self, content: str) -> str:
    text = 'holds other images or labels than the published '
    text += f'{self.name} {self.version}'
    for name, entry in DATASETS.items():
      known = getattr(entry.prepared, 'content', {})
      if content and content in known.values():
        text += f' (it is {name})'
    return text

  def _has_stats(self, images: np.ndarray) -> bool:
    """Whether mean and std by channel are those of the published images."""
    pixels = images.reshape(-1, images.shape[-1])
    histograms = [np.bincount(channel, minlength=256) for channel in pixels.T]
    shares = np.stack(histograms) / len(pixels)
    values = np.arange(256) / 255
    mean = shares @ values
    std = np.sqrt(shares @ values**2 - mean**2)
    return np.allclose((mean, std), (self.mean, self.std), atol=TOLERANCE)


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
