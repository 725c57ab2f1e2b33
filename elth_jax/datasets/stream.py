"""Data sets that stay on disk: read, decoded and cut while training goes on.

Every image of every step is a function of (seed, step, place in the batch), so
a stream starts at any step without replaying the earlier ones, gives the same
bytes with any number of threads and processes, and can be read by several
hosts, each its part of every batch. Grain does the reading ahead.
"""

import dataclasses
import functools
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np
from absl import flags
from PIL import Image

from elth_jax.datasets.dataset import (
  DatasetError,
  Images,
  checked_count,
  epoch_order,
)
from elth_jax.datasets.read_ahead import Reading
from elth_jax.process.processor import usable_cores
from elth_jax.process.signals import leave_to_parent
from elth_jax.randomness import generator

# of the image's area, and width by height, as in the published runs
AREA, RATIO = (0.1, 1.0), (0.8, 1.25)
TRIES = 10
CENTRE = 224 / 256  # of the shorter side, for tests

Box = tuple[float, float, float, float]  # left, top, right, bottom
Records = Sequence[Mapping[str, Any]]
Batch = dict[str, Any]  # of arrays


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Stream(Images):
  """Encoded images and labels of one classification data set, on disk.

  Training images are cut at random size and place (a tenth of the area to all
  of it, 4:5 to 5:4) and perhaps flipped; test images are cut in the middle
  (224 of 256 of the shorter side). Both are square and in colour.

  Attributes:
    train: random access to records with `image` (an encoded file) and `label`.
    test: likewise.
    fingerprint: what tells the data from others, in hexadecimal.
    side: pixels of a cut image.
    limit: how many training images are used; 0 for all.
    reading: how it is read ahead.
  """

  train: Records
  test: Records
  fingerprint: str
  side: int = 224
  limit: int = 0
  reading: Reading = Reading()

  @property
  def examples(self) -> int:
    return self.limit or len(self.train)

  @property
  def test_examples(self) -> int:
    return len(self.test)

  @property
  def stored_shape(self) -> tuple[int, int, int]:
    return self.side, self.side, 3

  @property
  def sha256(self) -> str:
    """The fingerprint: hashing all images would take an hour."""
    return f'{self.fingerprint}-{self.side}'

  def subset(self, examples: int | None) -> Self:
    """The first `examples` training images; the test set stays whole."""
    if examples is None:
      return self
    return dataclasses.replace(self, limit=checked_count(self, examples))

  def in_shape(self, shape: tuple[int, int, int]) -> Self:
    """Images cut to another size at once; channels as `Images` does it."""
    height, width, channels = shape
    if height != width:
      raise ValueError(f'{self.name}: images are square, not {height}x{width}')
    cut = dataclasses.replace(self, side=height)
    return super(Stream, cut).in_shape((height, height, channels))

  def training_batches(
    self,
    batch_size: int,
    seed: int,
    first: int,
    stop: int,
    flip: bool = True,
    columns: range | None = None,
  ) -> Iterator[Batch]:
    """The batches of steps `first` to `stop`, read ahead.

    Args:
      batch_size: images a step, over all hosts; the last batch of an epoch
        may have fewer.
      seed: of the order and of the cuts.
      first: the first step, counted from the start of training.
      stop: the step before which the stream ends.
      flip: whether images are flipped at random.
      columns: the places of every batch that this host reads, all by default;
        those past the batch are blank.

    Yields:
      `image`, uint8 (columns, side, side, 3), and `label`, int32 (columns,),
      -1 where the batch is not full.

    Raises:
      ValueError: if the columns are not some that follow one another.
      DatasetError: naming a record that cannot be decoded.
    """
    places = _checked(columns, batch_size)
    cut = _TrainingCut(self, batch_size, places, seed, flip)
    slots = range(first * len(places), stop * len(places))
    return self._read(cut, slots, len(places))

  def test_batches(
    self, batch_size: int, columns: range | None = None
  ) -> Iterator[Batch]:
    """All test images, as in `training_batches`."""
    places = _checked(columns, batch_size)
    batches = -(-len(self.test) // batch_size)
    cut = _TestCut(self, batch_size, places)
    return self._read(cut, range(batches * len(places)), len(places))

  def plain_batches(self, batch_size: int) -> Iterator[Batch]:
    """All training images, cut as for tests, in one shuffled order.

    The last batch is filled up as in `training_batches`.
    """
    batches = -(-self.examples // batch_size)
    return self._read(_PlainCut(self), range(batches * batch_size), batch_size)

  def take(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Training images, cut as for tests, and labels of some rows.

    Returns:
      uint8 (rows, side, side, 3) and int32 (rows,).

    Raises:
      DatasetError: naming a record that cannot be decoded.
    """
    cut = _CentreCut(self, self.train, self.examples)
    found = [cut(int(row)) for row in rows]
    return (
      np.stack([one['image'] for one in found]),
      np.stack([one['label'] for one in found]),
    )

  def blank(self) -> Batch:
    """What stands where a batch is not full."""
    return {
      'image': np.zeros(self.stored_shape, np.uint8),
      'label': np.int32(-1),
    }

  def _read(
    self, cut: Callable[[int], Batch], slots: range, batch_size: int
  ) -> Iterator[Batch]:
    import grain  # which Windows lacks

    threads = self.reading.threads or usable_cores()
    ahead = self.reading.ahead * batch_size
    images = (
      grain.MapDataset.range(slots.start, slots.stop)
      .map(cut)
      .to_iter_dataset(grain.ReadOptions(threads, max(ahead, threads)))
    )
    if self.reading.processes:
      if not flags.FLAGS.is_parsed():  # in a notebook; Grain reads them
        flags.FLAGS.mark_as_parsed()
      images = images.mp_prefetch(
        grain.MultiprocessingOptions(
          num_workers=self.reading.processes,
          per_worker_buffer_size=max(ahead // self.reading.processes, 1),
        ),
        worker_init_fn=leave_to_parent,
      )
    return iter(images.batch(batch_size))


def _checked(columns: range | None, batch_size: int) -> range:
  """The columns to read; all of a batch if none are named."""
  found = range(batch_size) if columns is None else columns
  if not found or found.start < 0 or found.step != 1:
    raise ValueError(f'{found} of {batch_size} images a step cannot be read')
  return found


@dataclasses.dataclass(frozen=True)
class _TrainingCut:
  """slot -> image and label; slots count this host's images of all steps."""

  stream: Stream
  batch_size: int
  columns: range
  seed: int
  flip: bool

  def __call__(self, slot: int) -> Batch:
    stream = self.stream
    step, number = divmod(slot, len(self.columns))
    column = self.columns[number]
    an_epoch = -(-stream.examples // self.batch_size)
    epoch, row = divmod(step, an_epoch)
    place = row * self.batch_size + column
    if column >= self.batch_size or place >= stream.examples:
      return stream.blank()
    example = int(epoch_order(stream.examples, self.seed, epoch)[place])
    draw = generator(self.seed, 'cut', epoch, place)
    record = stream.train[example]
    choose = functools.partial(random_box, draw)
    batch = _cut_out(stream, record, example, choose)
    if self.flip and draw.random() < 0.5:
      batch['image'] = np.ascontiguousarray(batch['image'][:, ::-1])
    return batch


@dataclasses.dataclass(frozen=True)
class _CentreCut:
  """row -> image and label, the same always."""

  stream: Stream
  records: Records
  count: int

  def __call__(self, row: int) -> Batch:
    if row >= self.count:
      return self.stream.blank()
    return _cut_out(self.stream, self.records[row], row, centre_box)


@dataclasses.dataclass(frozen=True)
class _PlainCut:
  """slot -> training image and label, in one shuffled order."""

  stream: Stream

  def __call__(self, slot: int) -> Batch:
    stream = self.stream
    if slot >= stream.examples:
      return stream.blank()
    row = int(epoch_order(stream.examples, 0, 0)[slot])
    return _CentreCut(stream, stream.train, stream.examples)(row)


@dataclasses.dataclass(frozen=True)
class _TestCut:
  """slot -> test image and label; slots count this host's of all batches."""

  stream: Stream
  batch_size: int
  columns: range

  def __call__(self, slot: int) -> Batch:
    batch, number = divmod(slot, len(self.columns))
    column = self.columns[number]
    if column >= self.batch_size:
      return self.stream.blank()
    cut = _CentreCut(self.stream, self.stream.test, len(self.stream.test))
    return cut(batch * self.batch_size + column)


def _cut_out(
  stream: Stream,
  record: Mapping[str, Any],
  row: int,
  choose: Callable[[int, int], Box],
) -> Batch:
  """The chosen part of an encoded image, and its label."""
  side, label = stream.side, record['label']
  if not 0 <= label < stream.classes:
    raise DatasetError(
      f'{stream.name}: image {row} has label {label}, of {stream.classes} '
      'classes; prepare the data set again'
    )
  try:
    with Image.open(io.BytesIO(record['image'])) as image:
      width, height = image.size
      box = choose(width, height)
      # JPEG is decoded at half or a quarter of its size, where that is enough
      zoom = side / min(box[2] - box[0], box[3] - box[1])
      image.draft('RGB', (round(width * zoom), round(height * zoom)))
      x, y = image.width / width, image.height / height
      scaled = box[0] * x, box[1] * y, box[2] * x, box[3] * y
      colour = image if image.mode == 'RGB' else image.convert('RGB')
      cut = colour.resize((side, side), Image.Resampling.BILINEAR, box=scaled)
      return {'image': np.asarray(cut, np.uint8), 'label': np.int32(label)}
  except (OSError, ValueError, SyntaxError) as error:
    raise DatasetError(
      f'{stream.name}: image {row} cannot be decoded: {error}; prepare the '
      'data set again'
    ) from error


def random_box(draw: np.random.Generator, width: int, height: int) -> Box:
  """A part of random area and ratio; the middle if none fits.

  Args:
    draw: where it is drawn from.
    width: of the image, in pixels, as all that is returned.
    height: likewise.

  References:
    Szegedy et al., Going Deeper with Convolutions, 2015, section 6; area and
    ratio as E-LTH's code has them.
  """
  areas = width * height * draw.uniform(AREA[0], AREA[1], TRIES)
  ratios = RATIO[0] * (RATIO[1] / RATIO[0]) ** draw.random(TRIES)
  corners = draw.random((TRIES, 2))
  wide = np.round(np.sqrt(areas * ratios))
  high = np.round(np.sqrt(areas / ratios))
  fits = (wide >= 1) & (high >= 1) & (wide <= width) & (high <= height)
  if not fits.any():
    ratio = np.clip(width / height, *RATIO)
    w, h = min(width, height * ratio), min(height, width / ratio)
    return (width - w) / 2, (height - h) / 2, (width + w) / 2, (height + h) / 2
  at = int(np.argmax(fits))
  w, h = float(wide[at]), float(high[at])
  left = np.floor(corners[at, 0] * (width - w + 1))
  top = np.floor(corners[at, 1] * (height - h + 1))
  return float(left), float(top), float(left + w), float(top + h)


def centre_box(width: int, height: int) -> Box:
  """The middle, 224 of 256 of the shorter side."""
  side = CENTRE * min(width, height)
  left, top = (width - side) / 2, (height - side) / 2
  return left, top, left + side, top + side
