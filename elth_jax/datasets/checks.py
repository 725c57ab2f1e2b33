"""What a data set must be: its images, labels, mean and deviation."""

from typing import Any

import numpy as np

from elth_jax.limits import Limits

MEAN, STD = Limits(0, 1), Limits(0, 1, above=True)


def check_images(what: str, images: np.ndarray) -> None:
  """Raises `ValueError` unless images are uint8, NHWC, and there are some.

  As many rows as columns of a single image row, or of three, are taken to be
  channels that stand first, as in PyTorch.
  """
  if images.dtype != np.uint8 or images.ndim != 4 or not images.size:
    raise ValueError(
      f'{what} are {images.dtype}{images.shape}; give uint8 (examples, height, '
      'width, channels) of 0 to 255'
    )
  _, first, height, width = images.shape
  if first in (1, 3) and height == width > 4:
    raise ValueError(
      f'{what} are of shape {images.shape}, channels first; give '
      'images.transpose(0, 2, 3, 1)'
    )


def check_labels(
  what: str, labels: np.ndarray, examples: int, classes: int
) -> None:
  """Raises `ValueError` unless there is a class for each example."""
  if labels.shape != (examples,):
    raise ValueError(
      f'{what} are of shape {labels.shape}, for {examples} images; give a '
      'whole number for each image'
    )
  if labels.dtype.kind not in 'iu':
    raise ValueError(
      f'{what} are {labels.dtype}; give whole numbers from 0, e.g. by '
      'labels.astype(np.int32)'
    )
  if labels.min() < 0 or labels.max() >= classes:
    raise ValueError(
      f'{what} run from {labels.min()} to {labels.max()}, for {classes} '
      f'classes; give numbers from 0 to {classes - 1}'
    )


def whole_classes(what: str, classes: Any) -> int:
  """The number of classes; `ValueError` if it is none."""
  if not isinstance(classes, int | np.integer) or classes < 1:
    raise ValueError(
      f'{what}: classes is {classes!r}; give a whole number, at least 1'
    )
  return int(classes)


def by_channel(
  what: str, values: Any, channels: int, limits: Limits
) -> tuple[float, ...]:
  """Mean or deviation as a tuple.

  Args:
    what: the values are of, for errors.
    values: numbers, of images scaled to 0..1.
    channels: how many numbers there must be.
    limits: of each.

  Raises:
    ValueError: if they are not so many numbers within the limits.
  """
  found = np.asarray(values)
  if found.shape != (channels,) or found.dtype.kind not in 'fiu':
    raise ValueError(
      f'{what} is {values!r}; give a tuple with a number for each of '
      f'{channels} channel(s)'
    )
  numbers = tuple(map(float, found))
  if not all(number in limits for number in numbers):
    raise ValueError(
      f'{what} is {numbers}; each must be {limits}, since images are scaled to '
      '0..1: divide those of 0..255 by 255'
    )
  return numbers


def stats_by_channel(
  what: str, values: Any, channels: int
) -> tuple[tuple[float, ...], tuple[float, ...]]:
  """Mean and deviation as two tuples.

  Raises:
    ValueError: if they are not two, or as `by_channel` does.
  """
  try:
    mean, std = values
  except (TypeError, ValueError):
    raise ValueError(
      f'{what} is {values!r}; give (mean, std), each a tuple with a number for '
      f'each of {channels} channel(s)'
    ) from None
  return (
    by_channel(f'{what}: mean', mean, channels, MEAN),
    by_channel(f'{what}: std', std, channels, STD),
  )


def stats_of(images: np.ndarray) -> dict[str, tuple[float, ...]]:
  """`mean` and `std` by channel of uint8 images scaled to 0..1.

  Sums are of whole numbers, so that they are the same on every machine.
  """
  mean, std = [], []
  for channel in range(images.shape[-1]):
    pixels = np.bincount(images[..., channel].ravel(), minlength=256)
    count, values = int(pixels.sum()), np.arange(256)
    total, squares = int(pixels @ values), int(pixels @ values**2)
    mean.append(total / (255 * count))
    std.append((count * squares - total**2) ** 0.5 / (255 * count))
  return {'mean': tuple(mean), 'std': tuple(std)}
