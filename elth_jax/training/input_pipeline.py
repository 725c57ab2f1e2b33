"""How images reach the devices: all at once, or a few steps at a time."""

import dataclasses
import functools
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from concurrent import futures
from typing import Any, ClassVar, Protocol

import jax
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from elth_jax.datasets.dataset import Dataset
from elth_jax.datasets.stream import Batch, Stream
from elth_jax.training.recipe import Recipe
from elth_jax.training.sampling import draw_epoch

EVALUATION_BATCH = 256
WINDOW_BYTES = 2**26  # of one ticket's images


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
    plain: the images of one part of `InputPipeline.plain`.
  """

  resident: tuple[jax.ShapeDtypeStruct, ...]
  window: dict[str, jax.ShapeDtypeStruct]
  tests: tuple[jax.ShapeDtypeStruct, jax.ShapeDtypeStruct]
  plain: jax.ShapeDtypeStruct


class InputPipeline(Protocol):
  """Images for the training and the tests of one recipe.

  Attributes:
    in_memory: whether all images are, so that they may stay on the devices.
  """

  in_memory: ClassVar[bool]

  def resident(self, devices: Sequence[jax.Device]) -> Any:
    """What stays on every device: arrays that `load_batch` indexes."""
    ...

  def shapes(self, share: int) -> InputShapes:
    """What comes where `share` devices share a ticket."""
    ...

  def windows(
    self, seeds: Sequence[int], step: int, stop: int
  ) -> Iterator[Window]:
    """The batches from `step` to `stop`, for tickets of these seeds."""
    ...

  def tests(self, share: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Test images and labels in windows of one shape.

    Images are uint8 (batches, size, height, width, channels), labels int32
    (batches, size), -1 where a batch is not full; `size` is a multiple of
    `share`.
    """
    ...

  def plain(self) -> Iterator[np.ndarray]:
    """Training images without augmentation, in their order.

    uint8 (some, height, width, channels), as stored.
    """
    ...


def make_pipeline(dataset: Dataset | Stream, recipe: Recipe) -> InputPipeline:
  """The feed that suits a data set."""
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

  def shapes(self, share):
    data, examples = self.dataset, self.dataset.examples
    epoch = draw_epoch(self.recipe, examples, 0, 0)
    tests = self._test_shape(share)
    return InputShapes(
      (_pixels(examples, math.prod(data.stored_shape)), _labels(examples)),
      {
        name: jax.ShapeDtypeStruct(rows.shape, rows.dtype)
        for name, rows in epoch.items()
      },
      (_pixels(*tests, *data.stored_shape), _labels(*tests)),
      _pixels(examples, *data.stored_shape),
    )

  def windows(self, seeds, step, stop):
    """One window an epoch."""
    examples = self.dataset.examples
    an_epoch = self.recipe.steps_per_epoch(examples)
    for epoch in range(step // an_epoch, -(-stop // an_epoch)):
      batches = [
        draw_epoch(self.recipe, examples, seed, epoch) for seed in seeds
      ]
      first = epoch * an_epoch
      yield Window(first, min(first + an_epoch, stop), batches)

  def tests(self, share):
    """One window, the whole test set."""
    data = self.dataset
    count, shape = len(data.test_labels), self._test_shape(share)
    images = np.zeros((math.prod(shape), *data.stored_shape), np.uint8)
    labels = np.full(math.prod(shape), -1, np.int32)
    images[:count], labels[:count] = data.test_images, data.test_labels
    yield images.reshape(*shape, *data.stored_shape), labels.reshape(shape)

  def plain(self):
    yield self.dataset.train_images

  def _test_shape(self, share: int) -> tuple[int, int]:
    """Batches of the test set, and images in each."""
    count = len(self.dataset.test_labels)
    size = min(EVALUATION_BATCH, count)
    size += -size % share
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

  def shapes(self, share):
    image, size = self.stream.stored_shape, self.recipe.batch_size
    batch = self._steps(size), size
    tests = 1, _test_batch(share)
    return InputShapes(
      (),
      {'image': _pixels(*batch, *image), 'label': _labels(*batch)},
      (_pixels(*tests, *image), _labels(*tests)),
      _pixels(min(size, self.stream.examples), *image),
    )

  def windows(self, seeds, step, stop):
    """As many steps as fit `WINDOW_BYTES`, padded at the end.

    The next window is put together while this one is trained on. Tickets of
    one seed share what is read.
    """
    size = self.recipe.batch_size
    readers = {
      seed: self.stream.training_batches(
        size, seed, step, stop, self.recipe.flip
      )
      for seed in dict.fromkeys(seeds)
    }
    steps = self._steps(size)

    def window(first: int) -> Window:
      until = min(first + steps, stop)
      read = {
        seed: self._stacked(itertools.islice(reader, until - first), steps)
        for seed, reader in readers.items()
      }
      return Window(first, until, [read[seed] for seed in seeds])

    with futures.ThreadPoolExecutor(1) as aside:
      coming = aside.submit(window, step)
      for after in range(step + steps, stop, steps):
        ready, coming = coming.result(), aside.submit(window, after)
        yield ready
      yield coming.result()

  def tests(self, share):
    for batch in self.stream.test_batches(_test_batch(share)):
      yield batch['image'][None], batch['label'][None]

  def plain(self):
    size = min(self.recipe.batch_size, self.stream.examples)
    for batch in self.stream.plain_batches(size):
      yield batch['image']

  def _steps(self, size: int) -> int:
    image = int(np.prod(self.stream.stored_shape))
    an_epoch = self.recipe.steps_per_epoch(self.stream.examples)
    return min(max(WINDOW_BYTES // (image * size), 1), an_epoch)

  def _stacked(self, batches: Iterable[Batch], steps: int) -> Batch:
    """Batches along a new first axis, with empty ones up to `steps`."""
    blank = {
      name: np.broadcast_to(value, (self.recipe.batch_size, *np.shape(value)))
      for name, value in self.stream.blank().items()
    }
    read = list(batches)
    rows = [*read, *[blank] * (steps - len(read))]
    return {name: np.stack([row[name] for row in rows]) for name in blank}


def _test_batch(share: int) -> int:
  """Images in a batch of tests: a multiple of `share`."""
  return EVALUATION_BATCH + -EVALUATION_BATCH % share


def _pixels(*shape: int) -> jax.ShapeDtypeStruct:
  return jax.ShapeDtypeStruct(shape, np.uint8)


def _labels(*shape: int) -> jax.ShapeDtypeStruct:
  return jax.ShapeDtypeStruct(shape, np.int32)


@functools.lru_cache(maxsize=2)
def _on_devices(
  dataset: Dataset, devices: tuple[jax.Device, ...]
) -> tuple[jax.Array, jax.Array]:
  """Training images and labels on every device, shared by all steps."""
  mesh = jax.make_mesh(
    (len(devices),), ('devices',), (AxisType.Auto,), devices=devices
  )
  everywhere = NamedSharding(mesh, PartitionSpec())
  images = dataset.train_images.reshape(dataset.examples, -1)
  arrays = images, dataset.train_labels
  return jax.device_put(arrays, (everywhere, everywhere))
