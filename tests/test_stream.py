"""Data sets that stay on disk, on a small one in ImageNet's layout."""

import dataclasses
import io

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from elth_jax import aot, datasets
from elth_jax.datasets import imagenet
from elth_jax.datasets.prepared import DatasetMissingError
from elth_jax.datasets.read_ahead import Reading
from elth_jax.datasets.stream import centre_box, random_box
from elth_jax.families import architecture
from elth_jax.methods import lottery
from elth_jax.process.signals import StudyStopped
from elth_jax.runner import session
from elth_jax.study.config import base_config
from elth_jax.training.input_pipeline import (
  WHOLE,
  Part,
  StreamPipeline,
  make_pipeline,
)
from elth_jax.training.loop import fit
from elth_jax.training.recipe import Recipe
from elth_jax.training.trainer import Trainer
from tests import prepared
from tests.conftest import make_dataset

COUNTS = {'train': 21, 'test': 10}


def examples(count, first=0):
  return [(prepared.jpeg(i % 3, i), i % 3) for i in range(first, first + count)]


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  root = tmp_path_factory.mktemp('prepared')
  splits = {'train': examples(21), 'validation': examples(10, 100)}
  prepared.write(root, 'imagenet2012', '5.1.0', splits)
  return root


@pytest.fixture
def source(folder, monkeypatch):
  """ImageNet as it would be with so few images."""
  monkeypatch.setenv('TFDS_DATA_DIR', str(folder))
  return dataclasses.replace(imagenet.IMAGENET, examples=COUNTS, side=16)


@pytest.fixture
def stream(source):
  return source.load()


def taken(stream, *args, **options):
  found = list(stream.training_batches(*args, **options))
  return {name: np.stack([one[name] for one in found]) for name in found[0]}


def same(one, other):
  return all((one[name] == other[name]).all() for name in one)


def test_an_epoch_has_every_image_once_and_a_short_last_batch(stream):
  batches = taken(stream, 8, seed=0, first=0, stop=3)
  assert batches['image'].shape == (3, 8, 16, 16, 3)
  assert batches['image'].dtype == np.uint8
  assert (batches['label'][2, 5:] == -1).all()
  assert not batches['image'][2, 5:].any()
  numbered = [{**record, 'label': i} for i, record in enumerate(stream.train)]
  found = taken(dataclasses.replace(stream, train=numbered), 8, 0, 0, 3)
  labels = found['label'][found['label'] >= 0]
  assert sorted(labels) == list(range(21))


def test_a_step_is_the_same_wherever_the_stream_starts(stream):
  whole = taken(stream, 8, seed=0, first=0, stop=7)
  rest = taken(stream, 8, seed=0, first=4, stop=7)
  assert same({name: values[4:] for name, values in whole.items()}, rest)
  assert not same(taken(stream, 8, seed=1, first=4, stop=7), rest)
  epochs = whole['image'][:2], whole['image'][3:5]
  assert (epochs[0] != epochs[1]).any()


@pytest.mark.parametrize('reading', [Reading(threads=3), Reading(ahead=5)])
def test_how_it_is_read_changes_no_image(stream, reading):
  other = dataclasses.replace(stream, reading=reading)
  arguments = {'seed': 0, 'first': 1, 'stop': 4}
  assert same(taken(stream, 8, **arguments), taken(other, 8, **arguments))


@pytest.mark.slow
def test_processes_change_no_image(stream):
  other = dataclasses.replace(stream, reading=Reading(1, processes=2))
  arguments = {'seed': 0, 'first': 1, 'stop': 4}
  assert same(taken(stream, 8, **arguments), taken(other, 8, **arguments))


def test_columns_are_the_parts_of_every_batch(stream):
  whole = taken(stream, 8, seed=0, first=2, stop=4)
  parts = [
    taken(stream, 8, seed=0, first=2, stop=4, columns=range(i, i + 4))
    for i in (0, 4)
  ]
  joined = {
    name: np.concatenate([part[name] for part in parts], axis=1)
    for name in whole
  }
  assert same(whole, joined)
  # what three devices have of a batch of 8, the third of three
  padded = taken(stream, 8, seed=0, first=2, stop=4, columns=range(6, 9))
  assert (padded['label'][:, 2] == -1).all()
  assert not padded['image'][:, 2].any()
  assert same(
    {n: v[:, 6:] for n, v in whole.items()},
    {n: v[:, :2] for n, v in padded.items()},
  )
  for columns in (range(0), range(-1, 3), range(0, 8, 2)):
    with pytest.raises(ValueError, match='of 8 images a step cannot be read'):
      stream.training_batches(8, 0, 0, 1, columns=columns)


def test_columns_of_test_images(stream):
  whole = list(stream.test_batches(8))
  parts = [
    list(stream.test_batches(8, columns))
    for columns in (range(5), range(5, 10))
  ]
  for batch, first, second in zip(whole, *parts, strict=True):
    joined = {n: np.concatenate([first[n], second[n]]) for n in batch}
    assert same(batch, {name: value[:8] for name, value in joined.items()})
    assert (joined['label'][8:] == -1).all()


def test_cuts_are_of_the_published_sizes():
  draw = np.random.default_rng(0)
  boxes = np.array([random_box(draw, 500, 375) for _ in range(2000)])
  wide, high = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
  assert (boxes[:, :2] >= 0).all()
  assert boxes[:, 2].max() <= 500 and boxes[:, 3].max() <= 375
  share = wide * high / (500 * 375)
  assert 0.098 < share.min() < 0.12 and 0.9 < share.max() <= 1
  ratio = wide / high
  assert 0.79 < ratio.min() < 0.83 and 1.2 < ratio.max() < 1.27
  # nothing that fits: as much of the middle as the ratio allows
  assert random_box(draw, 1000, 10) == (493.75, 0, 506.25, 10)
  assert centre_box(256, 512) == (16, 144, 240, 368)


def test_test_images_are_the_middle_of_the_image(stream):
  first, last = stream.test_batches(8)
  assert (last['label'][2:] == -1).all()
  image = Image.open(io.BytesIO(prepared.jpeg(100 % 3, 100)))
  resized = image.resize((171, 128), Image.Resampling.BILINEAR)
  left = (resized.width - 112) // 2
  middle = resized.crop((left, 8, left + 112, 120)).resize((16, 16))
  difference = np.abs(np.asarray(middle, int) - first['image'][0])
  assert difference.mean() < 4


def test_flips_are_half_of_the_images(stream):
  plain, flipped = (
    taken(stream, 8, seed=0, first=0, stop=2, flip=flip)['image'].reshape(
      16, 16, 16, 3
    )
    for flip in (False, True)
  )
  mirrored = (plain[:, :, ::-1] == flipped).all((1, 2, 3))
  assert (mirrored | (plain == flipped).all((1, 2, 3))).all()
  assert 3 <= mirrored.sum() <= 13


def test_sizes_subsets_and_channels(stream):
  small = stream.subset(9).in_shape((8, 8, 3))
  assert small.examples == 9 and small.image_shape == (8, 8, 3)
  batches = taken(small, 8, seed=0, first=0, stop=2)
  assert batches['image'].shape == (2, 8, 8, 8, 3)
  assert (batches['label'] >= 0).sum() == 9
  assert small.sha256 != stream.sha256
  grey = stream.in_shape((16, 16, 1))
  images, labels = grey.take(np.arange(3))
  assert grey.normalize(images).shape == (3, 16, 16, 1)
  assert labels.shape == (3,)
  with pytest.raises(ValueError, match='21 training images, not 22'):
    stream.subset(22)
  with pytest.raises(ValueError, match='images are square'):
    stream.in_shape((8, 9, 3))


def test_a_record_that_is_no_image_is_named(stream):
  records = [{'image': b'no image', 'label': 0}] * 3
  broken = dataclasses.replace(stream, train=records)
  with pytest.raises(datasets.DatasetError, match=r'imagenet2012: image \d'):
    list(broken.training_batches(2, 0, 0, 1))


def test_a_label_out_of_range_is_named(stream):
  records = [{'image': prepared.jpeg(0, 0), 'label': 1000}] * 3
  broken = dataclasses.replace(stream, train=records)
  with pytest.raises(datasets.DatasetError, match='label 1000, of 1000'):
    list(broken.training_batches(2, 0, 0, 1))


def test_foreign_data_is_refused(source, tmp_path, monkeypatch):
  wrong = dataclasses.replace(source, examples={'train': 22, 'test': 10})
  with pytest.raises(datasets.DatasetError, match='21 examples, not 22'):
    wrong.load()
  monkeypatch.setenv('TFDS_DATA_DIR', str(tmp_path))
  with pytest.raises(DatasetMissingError, match='prepare imagenet2012'):
    source.load()


def test_the_published_counts():
  image, places = (
    datasets.outline(name) for name in ('imagenet2012', 'places365_small')
  )
  assert (image.examples, image.classes) == (1_281_167, 1000)
  assert (places.examples, places.classes) == (1_803_460, 365)
  assert image.image_shape == places.image_shape == (224, 224, 3)
  assert Recipe(batch_size=1024).steps_per_epoch(image.examples) == 1252


def test_training_on_a_stream_is_training_on_its_images(stream):
  """The same steps from memory, where nothing is cut at random."""
  net = architecture('mlp2', (16, 16, 3), 3, 4)
  recipe = Recipe(
    batch_size=8, epochs=2, drop_epochs=(), rewind_step=0, flip=False
  )
  seed, steps = 3, 6
  streamed = Trainer(net, recipe, stream)
  windows = list(streamed.pipeline.windows([seed, seed], 0, steps))
  rows = [
    (batch['image'][row], batch['label'][row])
    for window in windows
    for batch in window.batches[:1]
    for row in range(window.stop - window.first)
  ]
  assert len(rows) == steps
  images = np.concatenate([image for image, _ in rows])
  labels = np.concatenate([label for _, label in rows])

  class Replay:
    """Batches of images in memory, in the stream's order."""

    in_memory = False

    def resident(self, devices):
      del devices
      return jnp.asarray(images), jnp.asarray(np.maximum(labels, 0))

    def windows(self, seeds, step, stop, part):
      assert part == WHOLE
      index = np.where(labels < 0, -1, np.arange(len(labels)))
      batch = {'index': index.astype(np.int32).reshape(steps, 8)}
      yield dataclasses.replace(
        windows[0], first=0, stop=steps, batches=[batch for _ in seeds]
      )

    def tests(self, part):
      yield from StreamPipeline(stream, recipe).tests(part)

  plain = dataclasses.replace(recipe, flip=False, crop_padding=0)
  kept = Trainer(net, plain, stream)
  kept.pipeline = Replay()
  fresh = net.init(0)
  ticket = lottery.dense_ticket(net, fresh['params'], fresh['batch_stats'])
  results: list = []
  for trainer in (streamed, kept):
    states = [trainer.start(ticket, 0)] * 2
    found, evaluations = fit(trainer, states, [seed, seed], steps)
    results.append((found[0].params, evaluations[0].accuracy))
  one, other = results
  np.testing.assert_allclose(
    one[0]['head']['kernel'], other[0]['head']['kernel'], atol=1e-5
  )
  assert one[1] == other[1]


def test_bn_statistics_of_a_stream_are_those_of_its_images(stream):
  net = architecture('resnet8', (16, 16, 3), 3, 2)
  recipe = Recipe(batch_size=8, epochs=2, rewind_step=0)
  images, labels = stream.take(np.arange(stream.examples))
  tests = [b for b in stream.test_batches(5) if (b['label'] >= 0).all()]
  memory = datasets.Dataset(
    name='memory',
    train_images=images,
    train_labels=labels,
    test_images=np.concatenate([b['image'] for b in tests]),
    test_labels=np.concatenate([b['label'] for b in tests]),
    classes=stream.classes,
    mean=stream.mean,
    std=stream.std,
  )
  network = net.init(0)
  ticket = lottery.dense_ticket(net, network['params'], network['batch_stats'])
  found = [
    trainer.accuracies(ticket, [network], recompute=recompute)
    for trainer in (
      Trainer(net, recipe, stream),
      Trainer(net, recipe, memory),
    )
    for recompute in (False, True)
  ]
  assert found[:2] == found[2:]


@pytest.fixture
def study(source, monkeypatch):
  """ImageNet to another data set, with fresh heads."""
  entry = datasets.find('imagenet2012')
  mine = dataclasses.replace(entry, load=source.load)
  monkeypatch.setitem(datasets.DATASETS, 'imagenet2012', mine)
  tiny = dataclasses.replace(
    make_dataset(size=16, channels=3), name='tiny', classes=7
  )
  monkeypatch.setitem(
    datasets.DATASETS, 'tiny', datasets.DatasetEntry(lambda: tiny)
  )
  return base_config(
    dataset='tiny',
    source_datasets=('imagenet2012',),
    sources=('mlp2',),
    targets=('mlp3',),
    methods=('imp', 'ett', 'snip'),
    width=4,
    levels=1,
    compare_levels=(1,),
    replicates=1,
    recipe=Recipe(batch_size=8, epochs=2, drop_epochs=(), rewind_step=1),
    recipe_on={'imagenet2012': {'rewind_epochs': 1, 'rewind_step': 0}},
  )


@pytest.mark.slow
def test_a_ticket_of_a_stream_is_trained_on_data_in_memory(study, tmp_path):
  assert session.run(study, tmp_path / 'whole')
  text = (tmp_path / 'whole' / 'results.csv').read_text()
  assert 'ett' in text and 'imagenet2012' in text

  looks = 0

  def stop():
    nonlocal looks
    looks += 1
    return looks == 5  # in the middle of a run on the stream

  with pytest.raises(StudyStopped):
    session.run(study, tmp_path / 'cut', asked_to_stop=stop)
  assert session.run(study, tmp_path / 'cut')
  assert (tmp_path / 'cut' / 'results.csv').read_text() == text


def test_a_plan_needs_no_data(study, tmp_path, monkeypatch, capsys):
  monkeypatch.setenv('TFDS_DATA_DIR', str(tmp_path))
  study.dataset, study.source_datasets = 'cifar10', ('imagenet2012',)
  study.image_size, study.dry_run = 32, True
  assert session.run(study, tmp_path / 'none')
  assert 'training runs' in capsys.readouterr().out


@pytest.mark.parametrize('share', [1, 3])
@pytest.mark.parametrize('in_memory', [True, False])
def test_shapes_are_those_of_what_comes(stream, in_memory, share):
  """So programs compiled without images are those that images run through."""
  data = make_dataset() if in_memory else stream
  pipeline = make_pipeline(data, Recipe(batch_size=8, epochs=2, rewind_step=1))
  shapes = pipeline.shapes(share)

  def told(tree):
    return jax.tree.map(lambda a: (tuple(a.shape), np.dtype(a.dtype)), tree)

  window = next(pipeline.windows([0], 0, 3, WHOLE))
  assert told(shapes.window) == told(window.batches[0])
  part = Part(0, share, share)  # all devices that share are this process's
  assert told(shapes.tests) == told(next(iter(pipeline.tests(part))))
  assert told(shapes.plain) == told(next(iter(pipeline.plain())))
  devices = jax.local_devices()[:1]
  assert told(shapes.resident) == told(pipeline.resident(devices))


def test_programs_compiled_for_devices_take_what_is_run(stream):
  """Lowering needs no image, and what was lowered is the program that runs."""
  net = architecture('resnet8', (16, 16, 3), 3, 2)
  recipe = Recipe(batch_size=8, epochs=2, rewind_step=1)
  trainer = Trainer(net, recipe, stream, jax.local_devices()[:1])
  found = aot.compile_for(trainer)
  assert found.keys() == {'segment', 'evaluation', 'statistics'}
  segment = found['segment'].program
  assert segment.donated() == found['segment'].state_arrays
  assert not segment.host_calls()
