"""How images reach the devices: all at once, or a few steps at a time."""

import dataclasses
import itertools
import math
import weakref
from collections.abc import Iterable, Iterator, Sequence
from concurrent import futures
from typing import Any, ClassVar, Protocol

import jax
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from elth_jax.datasets.dataset import Dataset, epoch_order
from elth_jax.datasets.stream import Batch, Stream
from elth_jax.process.arrays import put
from elth_jax.training.recipe import Recipe
from elth_jax.training.sampling import draw_epoch

OnDevices = tuple[jax.Array, jax.Array]  # images and labels

EVALUATION_BATCH = 256
WINDOW_BYTES = 2**26  # of one ticket's images
# by data set, which must not be referred to from within
_PLACED: weakref.WeakKeyDictionary[
  Dataset, dict[tuple[jax.Device, ...], OnDevices]
] = weakref.WeakKeyDictionary()


@dataclasses.dataclass(frozen=True)
class Window:
  """The batches of some steps.

  Attributes:
    first: the step of their first row.
    stop: the step after the last one.
    batches: for each ticket, arrays whose first axis is the step and whose
      second one is the place in the batch; see `sampling.load_batch`.
  """

  first: int
  stop: int
  batches: list[dict[str, np.ndarray]]


@dataclasses.dataclass(frozen=True)
class InputShapes:
  """Shapes and dtypes of all that a pipeline brings; no data is read.

  Attributes:
    resident: what `InputPipeline.resident` puts on each device.
    window: one ticket's batches of a window, by name.
    tests: images and labels of a window of tests.
    plain: one batch of `InputPipeline.plain`.
  """

  resident: tuple[jax.ShapeDtypeStruct, ...]
  window: dict[str, jax.ShapeDtypeStruct]
  tests: tuple[jax.ShapeDtypeStruct, jax.ShapeDtypeStruct]
  plain: tuple[jax.ShapeDtypeStruct, jax.ShapeDtypeStruct]


@dataclasses.dataclass(frozen=True)
class Part:
  """What this process's devices have of every batch that devices share.

  Attributes:
    first: the first of its devices among those that share a batch.
    stop: the device after the last one.
    devices: how many share a batch; each has as many places.
  """

  first: int = 0
  stop: int = 1
  devices: int = 1

  def columns(self, size: int) -> range:
    """The places in a batch of `size`, padded so that all devices are full."""
    each = -(-size // self.devices)
    return range(self.first * each, self.stop * each)


WHOLE = Part()


class InputPipeline(Protocol):
  """Images for the training and the tests of one recipe.

  Attributes:
    in_memory: whether all images are, so that they may stay on the devices.
  """

  in_memory: ClassVar[bool]

  def resident(self, devices: Sequence[jax.Device]) -> Any:
    """What stays on every device: arrays that `load_batch` indexes."""
    ...

  def shapes(self, per_ticket: int) -> InputShapes:
    """What comes where `per_ticket` devices share a ticket."""
    ...

  def windows(
    self, seeds: Sequence[int], step: int, stop: int, part: Part
  ) -> Iterator[Window]:
    """The batches from `step` to `stop`, for tickets of these seeds.

    They have the part's columns alone; those past the batch hold no example.
    """
    ...

  def tests(self, part: Part) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Test images and labels in windows of one shape.

    Images are uint8 (batches, columns, height, width, channels), labels int32
    (batches, columns), -1 where a batch is not full; the columns are the
    part's.
    """
    ...

  def plain(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """All training images in batches, without augmentation.

    They come in a shuffled order, which is the same always. Images are uint8
    (batch, height, width, channels), as stored; `valid` is float32 (batch,): 1
    for an example, 0 where the last batch is not full.
    """
    ...


def make_pipeline(dataset: Dataset | Stream, recipe: Recipe) -> InputPipeline:
  """The pipeline that suits a data set."""
  if isinstance(dataset, Stream):
    return StreamPipeline(dataset, recipe)
  return ResidentPipeline(dataset, recipe)


@dataclasses.dataclass(frozen=True, eq=False)
class ResidentPipeline:
  """All images stay on the devices; batches say which, and how to cut them."""

  in_memory: ClassVar[bool] = True
  dataset: Dataset
  recipe: Recipe

  def resident(self, devices):
    return _on_devices(self.dataset, tuple(devices))

  def shapes(self, per_ticket):
    data, examples = self.dataset, self.dataset.examples
    epoch = draw_epoch(self.recipe, examples, 0, 0)
    tests = self._test_shape(per_ticket)
    return InputShapes(
      (_pixels(examples, math.prod(data.stored_shape)), _labels(examples)),
      {
        name: jax.ShapeDtypeStruct(rows.shape, rows.dtype)
        for name, rows in epoch.items()
      },
      (_pixels(*tests, *data.stored_shape), _labels(*tests)),
      _plain(self.recipe, data),
    )

  def windows(self, seeds, step, stop, part=WHOLE):
    """One window an epoch."""
    columns = part.columns(self.recipe.batch_size)
    examples = self.dataset.examples
    an_epoch = self.recipe.steps_per_epoch(examples)
    for epoch in range(step // an_epoch, -(-stop // an_epoch)):
      batches = [
        _cut(draw_epoch(self.recipe, examples, seed, epoch), columns)
        for seed in seeds
      ]
      first = epoch * an_epoch
      yield Window(first, min(first + an_epoch, stop), batches)

  def tests(self, part):
    """One window, the whole test set."""
    data = self.dataset
    count, shape = len(data.test_labels), self._test_shape(part.devices)
    columns = part.columns(shape[1])
    mine = slice(columns.start, columns.stop)
    images = np.zeros((math.prod(shape), *data.stored_shape), np.uint8)
    labels = np.full(math.prod(shape), -1, np.int32)
    images[:count], labels[:count] = data.test_images, data.test_labels
    images = images.reshape(*shape, *data.stored_shape)
    yield images[:, mine], labels.reshape(shape)[:, mine]

  def plain(self):
    examples = self.dataset.examples
    size = min(self.recipe.batch_size, examples)
    order = epoch_order(examples, 0, 0)
    for first in range(0, examples, size):
      images, _ = self.dataset.take(order[first : first + size])
      count = len(images)
      padded = np.zeros((size, *images.shape[1:]), np.uint8)
      padded[:count] = images
      yield padded, (np.arange(size) < count).astype(np.float32)

  def _test_shape(self, per_ticket: int) -> tuple[int, int]:
    """Batches of the test set, and images in each."""
    count = len(self.dataset.test_labels)
    size = min(EVALUATION_BATCH, count)
    size += -size % per_ticket
    return -(-count // size), size


@dataclasses.dataclass(frozen=True, eq=False)
class StreamPipeline:
  """Batches carry their images, cut on the host and read ahead."""

  in_memory: ClassVar[bool] = False
  stream: Stream
  recipe: Recipe

  def resident(self, devices):
    del devices
    return ()

  def shapes(self, per_ticket):
    image, size = self.stream.stored_shape, self.recipe.batch_size
    batch = self._steps(size), size
    tests = 1, _test_batch(per_ticket)
    return InputShapes(
      (),
      {'image': _pixels(*batch, *image), 'label': _labels(*batch)},
      (_pixels(*tests, *image), _labels(*tests)),
      _plain(self.recipe, self.stream),
    )

  def windows(self, seeds, step, stop, part=WHOLE):
    """As many steps as fit `WINDOW_BYTES`, padded at the end.

    The next window is put together while this one is trained on. Tickets of
    one seed share what is read.
    """
    size = self.recipe.batch_size
    columns = part.columns(size)
    readers = {
      seed: self.stream.training_batches(
        size, seed, step, stop, self.recipe.flip, columns
      )
      for seed in dict.fromkeys(seeds)
    }
    steps = self._steps(size)

    def window(first: int) -> Window:
      until = min(first + steps, stop)
      read = {
        seed: self._stacked(
          itertools.islice(reader, until - first), steps, len(columns)
        )
        for seed, reader in readers.items()
      }
      return Window(first, until, [read[seed] for seed in seeds])

    with futures.ThreadPoolExecutor(1) as aside:
      coming = aside.submit(window, step)
      for after in range(step + steps, stop, steps):
        ready, coming = coming.result(), aside.submit(window, after)
        yield ready
      yield coming.result()

  def tests(self, part):
    size = _test_batch(part.devices)
    for batch in self.stream.test_batches(size, part.columns(size)):
      yield batch['image'][None], batch['label'][None]

  def plain(self):
    size = min(self.recipe.batch_size, self.stream.examples)
    for batch in self.stream.plain_batches(size):
      yield batch['image'], (batch['label'] >= 0).astype(np.float32)

  def _steps(self, size: int) -> int:
    image = int(np.prod(self.stream.stored_shape))
    an_epoch = self.recipe.steps_per_epoch(self.stream.examples)
    return min(max(WINDOW_BYTES // (image * size), 1), an_epoch)

  def _stacked(
    self, batches: Iterable[Batch], steps: int, columns: int
  ) -> Batch:
    """Batches along a new first axis, with empty ones up to `steps`."""
    blank = {
      name: np.broadcast_to(value, (columns, *np.shape(value)))
      for name, value in self.stream.blank().items()
    }
    read = list(batches)
    rows = [*read, *[blank] * (steps - len(read))]
    return {name: np.stack([row[name] for row in rows]) for name in blank}


def _test_batch(per_ticket: int) -> int:
  """Images in a batch of tests: a multiple of `per_ticket`."""
  return EVALUATION_BATCH + -EVALUATION_BATCH % per_ticket


def _pixels(*shape: int) -> jax.ShapeDtypeStruct:
  return jax.ShapeDtypeStruct(shape, np.uint8)


def _plain(
  recipe: Recipe, data: Dataset | Stream
) -> tuple[jax.ShapeDtypeStruct, jax.ShapeDtypeStruct]:
  size = min(recipe.batch_size, data.examples)
  valid = jax.ShapeDtypeStruct((size,), np.float32)
  return _pixels(size, *data.stored_shape), valid


def _labels(*shape: int) -> jax.ShapeDtypeStruct:
  return jax.ShapeDtypeStruct(shape, np.int32)


def _on_devices(dataset: Dataset, devices: tuple[jax.Device, ...]) -> OnDevices:
  """Training images and labels on every device, as long as the data set lives.

  All steps on these devices share them.
  """
  found = _PLACED.setdefault(dataset, {})
  if devices not in found:
    found[devices] = _put_on(dataset, devices)
  return found[devices]


def _put_on(dataset: Dataset, devices: tuple[jax.Device, ...]) -> OnDevices:
  mesh = jax.make_mesh(
    (len(devices),), ('devices',), (AxisType.Auto,), devices=devices
  )
  everywhere = NamedSharding(mesh, PartitionSpec())
  images = dataset.train_images.reshape(dataset.examples, -1)
  return put((images, dataset.train_labels), everywhere)


def _cut(batch: dict[str, np.ndarray], columns: range) -> dict[str, np.ndarray]:
  """Some columns of an epoch's batches; there is no example past the last."""
  return {name: _cut_one(name, value, columns) for name, value in batch.items()}


def _cut_one(name: str, values: np.ndarray, columns: range) -> np.ndarray:
  found = values[:, columns.start : columns.stop]
  missing = len(columns) - found.shape[1]
  if not missing:
    return found
  margins = [
    (0, missing) if axis == 1 else (0, 0) for axis in range(found.ndim)
  ]
  filling = -1 if name == 'index' else 0  # no example
  return np.pad(found, margins, constant_values=filling)
