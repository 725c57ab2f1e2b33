"""Published file formats of small image data sets, read into arrays.

Each reader takes the files of one split, already unpacked, in the order in
which they are published, and raises `FormatError` naming the file at fault.

References:
  LeCun et al., the MNIST database (idx files); Krizhevsky, Learning Multiple
  Layers of Features from Tiny Images, 2009 (CIFAR, binary and Python version);
  Netzer et al., Reading Digits in Natural Images, 2011 (SVHN, MATLAB files).
"""

import dataclasses
import io
import math
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

from elth_jax.datasets.prepare import pickles

Files = Mapping[str, bytes]  # name -> content

IDX_OF_BYTES = 0x0800  # and the number of dimensions
CIFAR_SHAPE = (3, 32, 32)  # channels first
CIFAR_BYTES = math.prod(CIFAR_SHAPE)


class FormatError(ValueError):
  """A file that is not in its published format; names the file."""


@dataclasses.dataclass(frozen=True, eq=False)
class Examples:
  """One split, in published order.

  Attributes:
    images: uint8 (examples, height, width, channels).
    labels: integers from 0 (examples,).
    coarse: likewise, the superclasses of CIFAR-100.
  """

  images: np.ndarray
  labels: np.ndarray
  coarse: np.ndarray | None = None


def mnist(files: Files) -> Examples:
  """An idx file of images and one of labels."""
  (images, image_bytes), (labels, label_bytes) = files.items()
  return _counted(
    Examples(
      _idx(images, image_bytes, 3)[..., None], _idx(labels, label_bytes, 1)
    ),
    labels,
  )


def cifar10(files: Files) -> Examples:
  """Binary batches: a label and an image, over and over."""
  _, labels, images = _cifar(files, 1)
  return Examples(images, labels[:, 0])


def cifar100(files: Files) -> Examples:
  """Binary batches: a coarse label, a label and an image, over and over."""
  _, labels, images = _cifar(files, 2)
  return Examples(images, labels[:, 1], labels[:, 0])


def cifar10_python(files: Files) -> Examples:
  """Pickled batches."""
  return _cifar_python(files, 'labels', '')


def cifar100_python(files: Files) -> Examples:
  """Pickled batches with coarse labels."""
  return _cifar_python(files, 'fine_labels', 'coarse_labels')


def svhn(files: Files) -> Examples:
  """A MATLAB file with `X` and `y`; label 10 means the digit 0."""
  import scipy.io

  ((name, content),) = files.items()
  try:
    found: Any = scipy.io.loadmat(io.BytesIO(content))
  except Exception as error:  # of any class, for a damaged file
    raise FormatError(f'{name} is no whole MATLAB file: {error}') from error
  images, labels = found.get('X'), found.get('y')
  if images is None or labels is None:
    raise FormatError(f'{name} holds no X and y')
  if images.dtype != np.uint8 or images.ndim != 4:
    raise FormatError(f'{name}: X is {images.dtype}{images.shape}')
  labels = labels.reshape(-1)
  if not len(labels) or labels.min() < 1 or labels.max() > 10:
    raise FormatError(f'{name}: labels do not run from 1 to 10')
  images = np.ascontiguousarray(np.moveaxis(images, -1, 0))
  return _counted(Examples(images, labels % 10), name)


def _idx(name: str, content: bytes, dimensions: int) -> np.ndarray:
  start = 4 + 4 * dimensions
  if content[:4] != struct.pack('>I', IDX_OF_BYTES + dimensions):
    raise FormatError(
      f'{name} is no idx file of {dimensions} dimension(s); it starts with '
      f'{content[:4].hex() or "nothing"}'
    )
  if len(content) < start:
    raise FormatError(f'{name} is cut off: it has {len(content)} bytes')
  shape = struct.unpack(f'>{dimensions}I', content[4:start])
  if len(content) - start != math.prod(shape):
    raise FormatError(
      f'{name} has {len(content)} bytes, not {start + math.prod(shape)} as it '
      'says itself'
    )
  return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _cifar(files: Files, labels: int) -> tuple[str, np.ndarray, np.ndarray]:
  """The last file's name, labels (examples, labels) and images."""
  record, rows, name = labels + CIFAR_BYTES, [], ''
  for name, content in files.items():
    if not content or len(content) % record:
      raise FormatError(
        f'{name} has {len(content)} bytes, no multiple of {record}'
      )
    rows.append(np.frombuffer(content, np.uint8).reshape(-1, record))
  found = np.concatenate(rows)
  return name, found[:, :labels], _channels_last(found[:, labels:])


def _cifar_python(files: Files, fine: str, coarse: str) -> Examples:
  batches = []
  for name, content in files.items():
    found = pickles.load(name, content)
    try:
      images = _channels_last(np.asarray(found['data'], np.uint8))
      labels = np.asarray(found[fine], np.int64)
      batch = Examples(
        images, labels, np.asarray(found[coarse]) if coarse else None
      )
    except (KeyError, TypeError, ValueError) as error:
      raise FormatError(f'{name} holds no data and {fine} of CIFAR') from error
    batches.append(_counted(batch, name))
  superclasses = [b.coarse for b in batches if b.coarse is not None]
  return Examples(
    np.concatenate([batch.images for batch in batches]),
    np.concatenate([batch.labels for batch in batches]),
    np.concatenate(superclasses) if superclasses else None,
  )


def _channels_last(rows: np.ndarray) -> np.ndarray:
  images = rows.reshape(-1, *CIFAR_SHAPE).transpose(0, 2, 3, 1)
  return np.ascontiguousarray(images)


def _counted(examples: Examples, name: str) -> Examples:
  images, labels = len(examples.images), examples.labels
  if labels.shape != (images,):
    raise FormatError(f'{name} has {len(labels)} labels for {images} images')
  return examples
