"""A data set: what is known of it, and its images in memory."""

import abc
import dataclasses
import functools
import hashlib
from collections.abc import Sequence
from typing import Self

import jax
import jax.numpy as jnp
import numpy as np

from elth_jax.datasets import checks
from elth_jax.randomness import generator

Stats = tuple[tuple[float, ...], tuple[float, ...]]  # mean, std per channel

# Per channel, of images scaled to 0..1
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class DatasetError(Exception):
  """Data that cannot be used; says why, and what to do."""


def scaled(
  pixels: jax.Array | np.ndarray, mean: Sequence[float], std: Sequence[float]
) -> jax.Array:
  """Pixels of 0 to 255 as numbers of mean 0 and deviation 1 by channel.

  Args:
    pixels: (..., channels).
    mean: by channel, of pixels scaled to 0..1.
    std: likewise.

  Returns:
    float32.
  """
  scale = 1 / (255 * np.asarray(std, np.float32))
  shift = np.asarray(mean, np.float32) / np.asarray(std, np.float32)
  return jnp.asarray(pixels, jnp.float32) * scale - shift


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Images(abc.ABC):
  """What is known of a data set without its images.

  Attributes:
    name: as in a config.
    classes: the number of classes.
    mean: per channel, of images scaled to 0..1.
    std: likewise.
    shape: (height, width, channels) of the images that networks see, where
      that is not how they are stored; see `in_shape`.
    published_stats: mean and std that the published runs normalised with,
      where those are not the data set's own; see `as_published`.

  Raises:
    ValueError: if classes, mean, std or published_stats cannot be; says what
      to give.
  """

  name: str
  classes: int
  mean: tuple[float, ...]
  std: tuple[float, ...]
  shape: tuple[int, int, int] | None = None
  published_stats: Stats | None = None

  def __post_init__(self):
    channels = self.image_shape[-1]
    self._set('classes', checks.whole_classes(self.name, self.classes))
    for field, limits in (('mean', checks.MEAN), ('std', checks.STD)):
      what, given = f'{self.name}: {field}', getattr(self, field)
      self._set(field, checks.by_channel(what, given, channels, limits))
    if self.published_stats is not None:
      what = f'{self.name}: published_stats'
      stats = checks.stats_by_channel(what, self.published_stats, channels)
      self._set('published_stats', stats)

  def _set(self, field: str, value: object) -> None:
    object.__setattr__(self, field, value)

  @property
  @abc.abstractmethod
  def examples(self) -> int:
    """How many training images there are."""

  @property
  @abc.abstractmethod
  def test_examples(self) -> int:
    """How many test images there are."""

  @property
  @abc.abstractmethod
  def stored_shape(self) -> tuple[int, int, int]:
    """(height, width, channels) of images before `normalize`."""

  @property
  @abc.abstractmethod
  def sha256(self) -> str:
    """What tells one data set from another, in hexadecimal."""

  @abc.abstractmethod
  def subset(self, examples: int | None) -> Self:
    """The first `examples` training images; the test set stays whole."""

  @property
  def image_shape(self) -> tuple[int, int, int]:
    """(height, width, channels) of the images that networks see."""
    return self.shape or self.stored_shape

  def normalize(self, images: jax.Array | np.ndarray) -> jax.Array:
    """Stored uint8 NHWC images as a network sees them.

    Returns:
      float32 of `image_shape`, of mean 0 and deviation 1 by channel.
    """
    pixels = jnp.asarray(images, jnp.float32)
    if self.image_shape != self.stored_shape:
      pixels = _reshaped(pixels, self.image_shape)
    return scaled(pixels, self.mean, self.std)

  def as_published(self) -> Self:
    """The same images, normalised as in the published runs.

    The published code normalises CIFAR with ImageNet's mean and std, and every
    other data set with its own.
    """
    if self.published_stats is None:
      return self
    mean, std = self.published_stats
    return dataclasses.replace(self, mean=mean, std=std)

  def in_shape(self, shape: tuple[int, int, int]) -> Self:
    """The same images, resized and with channels repeated or averaged.

    That is done by `normalize`, after augmentation: stored images stay.

    Args:
      shape: (height, width, channels) of the images wanted; channels are 1 or
        as many as there are, or else there is one now.

    Raises:
      ValueError: if channels cannot be converted.
    """
    if shape == self.image_shape:
      return self
    have, want = self.image_shape[-1], shape[-1]
    if have != want and 1 not in (have, want):
      raise ValueError(f'{self.name} has {have} channels, not {want}')
    mean, std = _per_channel((self.mean, self.std), want)
    published = self.published_stats and _per_channel(
      self.published_stats, want
    )
    return dataclasses.replace(
      self, mean=mean, std=std, shape=shape, published_stats=published
    )


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Outline(Images):
  """A data set that is not here: enough to plan with.

  Attributes:
    count: how many training images it has.
    size: (height, width, channels) of them.
    test_count: how many test images it has; 0 if that is not known.
  """

  count: int
  size: tuple[int, int, int]
  test_count: int = 0

  @property
  def examples(self) -> int:
    return self.count

  @property
  def test_examples(self) -> int:
    return self.test_count

  @property
  def stored_shape(self) -> tuple[int, int, int]:
    return self.size

  @property
  def sha256(self) -> str:
    return ''

  def subset(self, examples: int | None) -> Self:
    count = checked_count(self, examples or self.count)
    return dataclasses.replace(self, count=count)


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Dataset(Images):
  """Images and labels of one classification data set, in memory.

  Attributes:
    train_images: uint8 (examples, height, width, channels).
    train_labels: int32 (examples,), from 0.
    test_images: like `train_images`.
    test_labels: like `train_labels`.
    mean: by default, that of the training images.
    std: likewise.

  Raises:
    ValueError: naming the part that is not so; says what to give.
  """

  train_images: np.ndarray
  train_labels: np.ndarray
  test_images: np.ndarray
  test_labels: np.ndarray
  mean: tuple[float, ...] = ()
  std: tuple[float, ...] = ()

  def __post_init__(self):
    for field in ('train_images', 'test_images'):
      self._set(field, np.asarray(getattr(self, field)))
      checks.check_images(f'{self.name}: {field}', getattr(self, field))
    train, test = self.train_images.shape[1:], self.test_images.shape[1:]
    if train != test:
      raise ValueError(
        f'{self.name}: training images are {train} and test images {test}; '
        'give both in one size'
      )
    missing = [f for f in ('mean', 'std') if not np.size(getattr(self, f))]
    stats = checks.stats_of(self.train_images) if missing else {}
    for field in missing:
      self._set(field, stats[field])
    super().__post_init__()
    for split in ('train', 'test'):
      self._check_labels(f'{split}_labels', getattr(self, f'{split}_images'))

  def _check_labels(self, field: str, images: np.ndarray) -> None:
    self._set(field, np.asarray(getattr(self, field)))
    labels, what = getattr(self, field), f'{self.name}: {field}'
    checks.check_labels(what, labels, len(images), self.classes)

  @property
  def examples(self) -> int:
    return len(self.train_labels)

  @property
  def test_examples(self) -> int:
    return len(self.test_labels)

  @property
  def stored_shape(self) -> tuple[int, int, int]:
    _, height, width, channels = self.train_images.shape
    return height, width, channels

  @functools.cached_property
  def sha256(self) -> str:
    """A hash of images and labels in their order, in hexadecimal."""
    digest = hashlib.sha256()
    for split in ('train', 'test'):
      for kind in ('images', 'labels'):
        array = getattr(self, f'{split}_{kind}')
        digest.update(f'{array.dtype} {array.shape}'.encode())
        digest.update(np.ascontiguousarray(array).data)
    if self.shape:
      digest.update(str(self.shape).encode())
    return digest.hexdigest()

  def take(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Training images (uint8, as stored) and labels of some rows."""
    return self.train_images[rows], self.train_labels[rows]

  def half(self, which: int) -> 'Dataset':
    """Half of the training images of each class; the test set stays whole.

    The two halves, 0 and 1, share no image, and are the same always. Called by
    the data set's name and `a` or `b`, as in OneTicket's section 4.1.
    """
    order = generator(0, f'{self.name}/halves').permutation(self.examples)
    by_class = order[np.argsort(self.train_labels[order], kind='stable')]
    rows = np.sort(by_class[which::2])
    return dataclasses.replace(
      self,
      name=f'{self.name}{"ab"[which]}',
      train_images=self.train_images[rows],
      train_labels=self.train_labels[rows],
    )

  def subset(self, examples: int | None) -> Self:
    if examples is None or examples == self.examples:
      return self
    checked_count(self, examples)
    return dataclasses.replace(
      self,
      train_images=self.train_images[:examples],
      train_labels=self.train_labels[:examples],
    )


def checked_count(images: Images, wanted: int) -> int:
  """`wanted`; `ValueError` if there are not so many training images."""
  if not 0 < wanted <= images.examples:
    raise ValueError(
      f'{images.name} has {images.examples} training images, not {wanted}'
    )
  return wanted


@functools.lru_cache(maxsize=32)
def epoch_order(examples: int, seed: int, epoch: int) -> np.ndarray:
  """A permutation of the examples: which image an epoch sees when."""
  order = generator(seed, 'order', epoch).permutation(examples)
  return order.astype(np.int32)


def content_hash(images: np.ndarray, labels: np.ndarray) -> str:
  """A hash of labelled images, whatever their order: a sum of SHA-256s.

  Args:
    images: uint8 (examples, height, width, channels).
    labels: integers below 256 (examples,).
  """
  total = 0
  for image, label in zip(images, labels, strict=True):
    digest = hashlib.sha256(image.tobytes() + bytes([label])).digest()
    total += int.from_bytes(digest, 'little')
  return f'{total % 2**256:064x}'


def _per_channel(stats: Stats, channels: int) -> Stats:
  """Mean and std of images whose channels are repeated or averaged."""
  mean, std = stats
  if len(mean) == channels:
    return stats
  if channels == 1:
    return (float(np.mean(mean)),), (float(np.mean(std)),)
  return mean * channels, std * channels


def _reshaped(images: jax.Array, shape: tuple[int, int, int]) -> jax.Array:
  """Images of another size, bilinear without aliasing; channels as asked."""
  if images.shape[-1] > shape[-1]:
    images = images.mean(-1, keepdims=True)
  full = (len(images), *shape[:2], images.shape[-1])
  resized = jax.image.resize(images, full, 'bilinear')
  return jnp.repeat(resized, shape[-1] // resized.shape[-1], axis=-1)
