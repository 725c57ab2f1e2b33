"""A data set in memory."""

import dataclasses
import functools
import hashlib

import jax
import jax.numpy as jnp
import numpy as np

from elth_jax.randomness import generator

# Per channel, of images scaled to 0..1
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class DatasetError(Exception):
  """Data that cannot be used; says why, and what to do."""


@dataclasses.dataclass(frozen=True, eq=False)
class Dataset:
  """Images and labels of one classification data set.

  Attributes:
    name: as in a config.
    train_images: uint8 (examples, height, width, channels).
    train_labels: int32 (examples,), from 0.
    test_images: like `train_images`.
    test_labels: like `train_labels`.
    classes: the number of classes.
    mean: per channel, of images scaled to 0..1.
    std: likewise.
  """

  name: str
  train_images: np.ndarray
  train_labels: np.ndarray
  test_images: np.ndarray
  test_labels: np.ndarray
  classes: int
  mean: tuple[float, ...]
  std: tuple[float, ...]

  def __post_init__(self):
    for split in ('train', 'test'):
      images = getattr(self, f'{split}_images')
      labels = getattr(self, f'{split}_labels')
      if images.dtype != np.uint8 or images.ndim != 4:
        raise ValueError(
          f'{self.name} {split}: images are {images.dtype}{images.shape}, '
          'not uint8 (examples, height, width, channels)'
        )
      if labels.shape != images.shape[:1] or not len(labels):
        raise ValueError(
          f'{self.name} {split}: {len(images)} images, {len(labels)} labels'
        )
      if labels.min() < 0 or labels.max() >= self.classes:
        raise ValueError(
          f'{self.name} {split}: labels run from {labels.min()} to '
          f'{labels.max()}, for {self.classes} classes'
        )

  @property
  def image_shape(self) -> tuple[int, int, int]:
    """(height, width, channels)."""
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
    return digest.hexdigest()

  def normalize(self, images: jax.Array | np.ndarray) -> jax.Array:
    """uint8 NHWC images as float32 of mean 0 and deviation 1 by channel."""
    scale = 1 / (255 * np.asarray(self.std, np.float32))
    shift = np.asarray(self.mean, np.float32) / np.asarray(self.std, np.float32)
    return jnp.asarray(images, jnp.float32) * scale - shift

  def with_imagenet_normalization(self) -> 'Dataset':
    """The same images, normalised as the published CIFAR runs did.

    Raises:
      ValueError: if images have no three colours.
    """
    if self.image_shape[-1] != 3:
      raise ValueError(
        f'{self.name} has {self.image_shape[-1]} channel(s); '
        'imagenet_normalization is for colour images'
      )
    return dataclasses.replace(self, mean=IMAGENET_MEAN, std=IMAGENET_STD)

  def in_shape(self, shape: tuple[int, int, int]) -> 'Dataset':
    """The same images, resized and with channels repeated or averaged.

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
    mean, std = self.mean, self.std
    if have != want:
      mean, std = (
        mean * want if have == 1 else (float(np.mean(mean)),),
        std * want if have == 1 else (float(np.mean(std)),),
      )
    return dataclasses.replace(
      self,
      train_images=_reshaped(self.train_images, shape),
      test_images=_reshaped(self.test_images, shape),
      mean=mean,
      std=std,
    )

  def half(self, which: int) -> 'Dataset':
    """Half of the training images of each class; the test set stays whole.

    The two halves, 0 and 1, share no image, and are the same always. Called by
    the data set's name and `a` or `b`, as in OneTicket's section 4.1.
    """
    order = generator(0, f'{self.name}/halves').permutation(
      len(self.train_labels)
    )
    by_class = order[np.argsort(self.train_labels[order], kind='stable')]
    rows = np.sort(by_class[which::2])
    return dataclasses.replace(
      self,
      name=f'{self.name}{"ab"[which]}',
      train_images=self.train_images[rows],
      train_labels=self.train_labels[rows],
    )

  def subset(self, examples: int | None) -> 'Dataset':
    """The first `examples` training images; the test set stays whole."""
    if examples is None or examples == len(self.train_labels):
      return self
    if not 0 < examples <= len(self.train_labels):
      raise ValueError(
        f'{self.name} has {len(self.train_labels)} training images, '
        f'not {examples}'
      )
    return dataclasses.replace(
      self,
      train_images=self.train_images[:examples],
      train_labels=self.train_labels[:examples],
    )


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


def _reshaped(
  images: np.ndarray, shape: tuple[int, int, int], at_once: int = 4096
) -> np.ndarray:
  """uint8 images of another size, bilinear without aliasing."""

  def convert(some: np.ndarray) -> np.ndarray:
    if some.shape[-1] > shape[-1]:
      some = some.mean(-1, keepdims=True)
    full = (len(some), *shape[:2], some.shape[-1])
    resized = jax.image.resize(some.astype(np.float32), full, 'bilinear')
    rounded = np.clip(np.round(np.asarray(resized)), 0, 255).astype(np.uint8)
    return np.repeat(rounded, shape[-1] // rounded.shape[-1], axis=-1)

  parts = [
    convert(images[first : first + at_once])
    for first in range(0, len(images), at_once)
  ]
  return np.concatenate(parts)
