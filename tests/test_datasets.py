import dataclasses
import json
import os
import shutil
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from elth_jax import datasets
from elth_jax.datasets import prepared, tfds
from elth_jax.study import data
from elth_jax.study.spec import StudySpec
from elth_jax.training.recipe import Recipe
from tests.conftest import make_dataset


def test_digits_are_real_and_split_evenly():
  digits = datasets.load('digits')
  assert digits.train_images.shape == (1437, 8, 8, 1)
  assert digits.test_images.shape == (360, 8, 8, 1)
  counts = np.bincount(digits.test_labels)
  assert counts.min() >= 35 and counts.max() <= 37
  again = datasets.load('digits')
  np.testing.assert_array_equal(digits.test_labels, again.test_labels)
  train = {image.tobytes() for image in digits.train_images}
  shared = [image for image in digits.test_images if image.tobytes() in train]
  assert not shared
  normal = digits.normalize(jnp.asarray(digits.train_images))
  assert float(normal.mean()) == pytest.approx(0, abs=1e-4)
  assert float(normal.std()) == pytest.approx(1, abs=1e-4)


def test_unknown_names_and_subsets():
  with pytest.raises(ValueError, match="did you mean 'cifar10'"):
    datasets.load('cifar')
  dataset = make_dataset()
  assert len(dataset.subset(5).train_labels) == 5
  assert len(dataset.subset(5).test_labels) == len(dataset.test_labels)
  with pytest.raises(ValueError, match='22 training images, not 23'):
    dataset.subset(23)


def test_images_take_another_shape():
  grey = make_dataset(size=8)
  colours = grey.in_shape((4, 4, 3))
  assert colours.image_shape == (4, 4, 3) and len(colours.mean) == 3
  seen = [np.asarray(d.normalize(d.train_images)) for d in (grey, colours)]
  assert seen[1].shape == (22, 4, 4, 3)
  np.testing.assert_array_equal(seen[1][..., 0], seen[1][..., 2])
  means = [images.mean((1, 2, 3)) for images in seen]
  np.testing.assert_allclose(means[0], means[1], atol=0.1)
  assert grey.sha256 != colours.sha256
  assert colours.in_shape((4, 4, 1)).image_shape == (4, 4, 1)
  assert grey.in_shape(grey.image_shape) is grey
  with pytest.raises(ValueError, match='3 channels, not 2'):
    colours.in_shape((4, 4, 2))


def test_halves_share_no_image_and_have_all_classes():
  whole = datasets.load('digits')
  a, b = whole.half(0), whole.half(1)
  assert (a.name, b.name) == ('digitsa', 'digitsb')
  counts = [np.bincount(d.train_labels) for d in (whole, a, b)]
  np.testing.assert_array_equal(counts[1] + counts[2], counts[0])
  assert np.abs(counts[1] - counts[2]).max() <= 1
  images = [{i.tobytes() for i in d.train_images} for d in (a, b)]
  assert not images[0] & images[1]
  np.testing.assert_array_equal(a.test_images, whole.test_images)
  assert a.sha256 == datasets.load('digits').half(0).sha256 != b.sha256
  assert {'cifar10a', 'cifar10b', 'svhn_cropped', 'cifar100'} <= set(
    datasets.DATASETS
  )


@pytest.mark.parametrize(
  'name', sorted(n for n, entry in datasets.DATASETS.items() if entry.outline)
)
def test_only_cifar_is_normalised_by_imagenet(name):
  """As in ElasticLTH; its ImageNet has ImageNet's numbers of its own."""
  own = datasets.outline(name)
  published = own.as_published()
  if name.startswith('cifar'):
    assert published.mean == (0.485, 0.456, 0.406) != own.mean
    assert published.std == (0.229, 0.224, 0.225) != own.std
  else:
    assert (published.mean, published.std) == (own.mean, own.std)


def test_published_normalisation_follows_images():
  stats = ((0.2, 0.3, 0.7), (0.1, 0.2, 0.6))
  tiny = dataclasses.replace(make_dataset(channels=3), published_stats=stats)
  for changed in (tiny, tiny.half(1), tiny.subset(5), tiny.in_shape((8, 8, 3))):
    assert (changed.as_published().mean, changed.as_published().std) == stats
  grey = tiny.in_shape((4, 4, 1)).as_published()
  assert grey.mean == pytest.approx((0.4,)) and len(grey.std) == 1
  images = grey.normalize(np.full((1, 4, 4, 3), 255, np.uint8))
  np.testing.assert_allclose(images, 0.6 / 0.3, rtol=1e-5)
  stats = ((0.2,), (0.1,))
  tiny = dataclasses.replace(make_dataset(), published_stats=stats)
  assert tiny.in_shape((4, 4, 3)).as_published().mean == (0.2,) * 3
  own = make_dataset()
  assert own.as_published() is own


@pytest.mark.parametrize('name', ['svhn_cropped', 'mnist'])
def test_a_study_as_published_keeps_other_normalisations(name):
  spec = StudySpec(
    dataset=name,
    source_datasets=('cifar100',),
    sources=('mlp2',),
    targets=('mlp3',),
    recipe=Recipe(batch_size=8, epochs=2, rewind_step=0),
    imagenet_normalization=True,
    image_size=28,
  )
  found = data.outline(spec)
  own = datasets.outline(name)
  assert found[name].mean == own.mean * (3 // len(own.mean))
  assert found['cifar100'].mean == (0.485, 0.456, 0.406)


@pytest.mark.parametrize(
  ('change', 'message'),
  [
    ({'train_images': np.zeros((22, 4, 4, 1))}, 'train_images are float64'),
    ({'train_images': [[0, 1]]}, r'train_images are int64\(1, 2\); give uint8'),
    ({'test_images': np.zeros((9, 5, 5, 1), np.uint8)}, r'test images \(5, 5'),
    (
      {'train_images': np.zeros((22, 3, 8, 8), np.uint8)},
      r'channels first; give images\.transpose\(0, 2, 3, 1\)',
    ),
    ({'test_images': np.zeros((9, 4, 4, 1))}, 'test_images are float64'),
    ({'test_labels': np.zeros(3, np.int32)}, r'of shape \(3,\), for 9 images'),
    ({'train_labels': np.eye(22)}, 'a whole number for each image'),
    ({'train_labels': np.zeros(22)}, r'float64; .*astype\(np\.int32\)'),
    (
      {'classes': 2},
      'labels run from 0 to 2, for 2 classes; give numbers .* 1',
    ),
    ({'test_labels': np.full(9, -1)}, 'test_labels run from -1 to -1'),
    ({'classes': 0}, 'classes is 0; give a whole number'),
    ({'classes': 3.0}, r'classes is 3\.0; give a whole number'),
    ({'mean': (0.4,) * 3}, r'mean is \(0\.4, .* for each of 1 channel'),
    ({'mean': 0.4}, r'mean is 0\.4; give a tuple with a number for each'),
    ({'std': 0.2}, r'std is 0\.2; give a tuple'),
    ({'mean': (101.5,)}, r'mean is \(101\.5,\); .* by 255'),
    ({'std': (64.0,)}, r'std is \(64\.0,\); .* above 0 and at most 1'),
    ({'std': (0.0,)}, r'std is \(0\.0,\); each must be above 0'),
    ({'std': (float('nan'),)}, r'std is \(nan,\); each must be'),
    ({'mean': (float('inf'),)}, r'mean is \(inf,\); each must be'),
  ],
)
def test_impossible_data(change, message):
  with pytest.raises(ValueError, match=message):
    dataclasses.replace(make_dataset(), **change)


@pytest.mark.parametrize(
  ('stats', 'message'),
  [
    (0.5, r'is 0\.5; give \(mean, std\), each a tuple .* each of 1 channel'),
    (((0.4,),), r'is \(\(0\.4,\),\); give \(mean, std\)'),
    ('own', "is 'own'; give \\(mean, std\\)"),
    ((0.4, 0.2), r': mean is 0\.4; give a tuple with a number for each'),
    (((0.4,) * 3, (0.2,) * 3), r': mean is .* for each of 1 channel'),
    (((0.4,), (0.0,)), r': std is \(0\.0,\); each must be above 0'),
    (((101.5,), (0.2,)), r': mean is \(101\.5,\); .* by 255'),
  ],
)
def test_published_normalisation_that_cannot_be(stats, message, monkeypatch):
  message = f'tiny: published_stats ?{message}'
  with pytest.raises(ValueError, match=message):
    dataclasses.replace(make_dataset(), published_stats=stats)
  entry = datasets.DatasetEntry(
    lambda: dataclasses.replace(make_dataset(), published_stats=stats)
  )
  monkeypatch.setitem(datasets.DATASETS, 'tiny', entry)
  with pytest.raises(datasets.DatasetError, match=message):
    datasets.load('tiny')


def test_numbers_come_in_any_type():
  """As people have them: arrays, lists, numpy's own numbers."""
  tiny = make_dataset()
  given = dataclasses.replace(
    tiny,
    classes=np.int64(3),
    mean=np.float32([0.4]),
    train_labels=tiny.train_labels.tolist(),
  )
  assert json.dumps([given.classes, given.mean]).startswith('[3, [0.4')
  np.testing.assert_array_equal(given.train_labels, tiny.train_labels)


def test_mean_and_deviation_are_those_of_the_training_images():
  tiny = make_dataset(channels=3)
  own = dataclasses.replace(tiny, mean=(), std=())
  pixels = tiny.train_images / 255
  np.testing.assert_allclose(own.mean, pixels.mean((0, 1, 2)))
  np.testing.assert_allclose(own.std, pixels.std((0, 1, 2)))
  assert own.subset(5).mean == own.mean
  given = dataclasses.replace(tiny, std=())
  assert (given.mean, given.std) == (tiny.mean, own.std)


def test_missing_data_says_what_to_do(tmp_path, monkeypatch):
  monkeypatch.setenv('TFDS_DATA_DIR', str(tmp_path))
  message = r'not prepared in .*python -m elth_jax\.prepare mnist$'
  with pytest.raises(prepared.DatasetMissingError, match=message):
    datasets.load('mnist')
  (tmp_path / 'mnist' / '3.0.0').mkdir(parents=True)
  (tmp_path / 'mnist' / '3.0.0' / 'dataset_info.json').write_text('{}')
  with pytest.raises(prepared.DatasetMissingError, match=r'it has 3\.0\.0'):
    datasets.load('mnist')
  with pytest.raises(prepared.DatasetMissingError, match=r'prepare cifar10$'):
    datasets.load('cifar10a')


def test_an_empty_data_dir_is_none(monkeypatch):
  monkeypatch.setenv('TFDS_DATA_DIR', '')
  assert prepared.data_dir() == Path('~/tensorflow_datasets').expanduser()


@pytest.fixture
def little(tmp_path, monkeypatch):
  """A data set of three examples a split, and what `decode` was asked for."""
  monkeypatch.setenv('TFDS_DATA_DIR', str(tmp_path / 'data'))
  monkeypatch.setenv('ELTH_JAX_CACHE', str(tmp_path / 'cache'))
  folder = tmp_path / 'data' / 'little' / '1.0.0'
  folder.mkdir(parents=True)
  splits = [{'name': n, 'shardLengths': ['2', '1']} for n in ('train', 'test')]
  (folder / 'dataset_info.json').write_text(json.dumps({'splits': splits}))
  images = np.arange(48, dtype=np.uint8).reshape(3, 4, 4, 1)
  labels = np.arange(3, dtype=np.int32)
  asked = []

  def decode(folder, split, name):
    asked.append(split)
    return images.copy(), labels.copy()

  monkeypatch.setattr(tfds, 'decode', decode)
  content = datasets.dataset.content_hash(images[::-1], labels[::-1])
  prepared = tfds.Prepared(
    name='little',
    version='1.0.0',
    shape=(4, 4, 1),
    classes=3,
    mean=(0.5,),
    std=(0.5,),
    examples={'train': 3, 'test': 3},
    content={'train': content, 'test': content},
    forms=tuple,
  )
  return prepared, folder, asked


def test_arrays_come_from_the_cache_unless_it_is_damaged(little, tmp_path):
  prepared, _, asked = little
  one, other = prepared.load(), prepared.load()
  assert asked == ['train', 'test']
  assert one.sha256 == other.sha256
  images = tmp_path / 'cache' / 'little-1.0.0' / 'train_images.npy'
  whole = images.read_bytes()
  for damaged in (whole[:-9], b'', whole[:-1] + b'?'):
    images.write_bytes(damaged)
    asked.clear()
    assert prepared.load().sha256 == one.sha256
    assert asked == ['train', 'test']
    assert images.read_bytes() == whole


@pytest.mark.parametrize(
  ('change', 'message'),
  [
    ({'examples': {'train': 4, 'test': 3}}, 'train has 3 examples, not 4'),
    (
      {'content': {'train': '0' * 64, 'test': '0' * 64}},
      'train holds other images or labels than the published little 1.0.0',
    ),
  ],
)
def test_foreign_data_is_refused(little, tmp_path, change, message):
  prepared, _, _ = little
  with pytest.raises(datasets.DatasetError, match=message):
    dataclasses.replace(prepared, **change).load()
  assert not (tmp_path / 'cache' / 'little-1.0.0').exists()


@pytest.mark.parametrize('info', ['{', '{}', '[]', '{"splits": [1]}'])
def test_a_damaged_description_is_named(little, info):
  prepared, folder, _ = little
  (folder / 'dataset_info.json').write_text(info)
  with pytest.raises(datasets.DatasetError, match=r'info\.json does not'):
    prepared.load()


def test_a_package_that_is_not_there_is_no_damage(little, monkeypatch):
  import tensorflow_datasets

  def lacking(_):
    raise ModuleNotFoundError(name='array_record')

  prepared, folder, _ = little
  monkeypatch.undo()
  monkeypatch.setenv('TFDS_DATA_DIR', str(folder.parent.parent))
  monkeypatch.setattr(tensorflow_datasets, 'builder_from_directory', lacking)
  with pytest.raises(datasets.DatasetError, match='package array_record') as e:
    prepared.load()
  assert 'again' not in str(e.value)


def test_records_that_cannot_be_read_are_named(little, monkeypatch):
  prepared, folder, _ = little
  monkeypatch.undo()
  monkeypatch.setenv('TFDS_DATA_DIR', str(folder.parent.parent))
  with pytest.raises(datasets.DatasetError, match='cannot be read as array'):
    prepared.load()


def test_the_hash_of_a_data_set_is_of_its_order_too():
  dataset = make_dataset()
  turned = dataclasses.replace(
    dataset,
    train_images=dataset.train_images[::-1],
    train_labels=dataset.train_labels[::-1],
  )
  assert dataset.sha256 == make_dataset().sha256 != turned.sha256
  one, other = (
    datasets.dataset.content_hash(d.train_images, d.train_labels)
    for d in (dataset, turned)
  )
  assert one == other


@pytest.mark.slow
@pytest.mark.parametrize('name', ['mnist', 'fashion_mnist', 'cifar10'])
@pytest.mark.filterwarnings('ignore')  # tensorflow-datasets' own
def test_real_data(name, tmp_path, monkeypatch):
  data_dir = os.environ.get('TFDS_DATA_DIR')
  if not data_dir or not Path(data_dir, name).is_dir():
    pytest.skip(f'real data: set TFDS_DATA_DIR to prepared {name}')
  monkeypatch.setenv('ELTH_JAX_CACHE', str(tmp_path))
  dataset = datasets.load(name)
  assert len(dataset.test_labels) == 10_000
  assert np.bincount(dataset.train_labels).min() >= 5_000
  pixels = dataset.train_images.reshape(-1, dataset.image_shape[-1]) / 255
  np.testing.assert_allclose(pixels.mean(0), dataset.mean, atol=1e-3)
  np.testing.assert_allclose(pixels.std(0), dataset.std, atol=1e-3)


@pytest.mark.slow
@pytest.mark.filterwarnings('ignore')  # tensorflow-datasets' own
def test_truncated_real_data_is_refused(tmp_path, monkeypatch):
  data_dir = os.environ.get('TFDS_DATA_DIR')
  if not data_dir:
    pytest.skip('real data: set TFDS_DATA_DIR to prepared CIFAR-10 and MNIST')
  shutil.copytree(f'{data_dir}/mnist', tmp_path / 'data' / 'mnist')
  monkeypatch.setenv('ELTH_JAX_CACHE', str(tmp_path / 'cache'))
  monkeypatch.setenv('TFDS_DATA_DIR', str(tmp_path / 'data'))
  for records in (tmp_path / 'data').rglob('*train*array_record*'):
    content = records.read_bytes()
    records.write_bytes(content[: len(content) // 2])
  with pytest.raises(datasets.DatasetError):
    datasets.load('mnist')


def test_a_data_set_of_ones_own_is_known_by_name(monkeypatch):
  for name in ('mine', 'planned'):  # taken out again
    monkeypatch.setitem(datasets.DATASETS, name, None)
    del datasets.DATASETS[name]
  datasets.register('mine', make_dataset)
  assert datasets.load('mine').examples == make_dataset().examples
  assert datasets.outline('mine').image_shape == make_dataset().image_shape
  with pytest.raises(ValueError, match="a data set 'mine' already"):
    datasets.register('mine', make_dataset)
  with pytest.raises(ValueError, match="name 'My data'"):
    datasets.register('My data', make_dataset)
  with pytest.raises(datasets.DatasetError, match='not called'):
    datasets.register('planned', not_called, outline=not_called)
    datasets.outline('planned')


@pytest.mark.parametrize(
  ('load', 'message'),
  [
    (lambda: None, "'mine': its function returns NoneType; .* Dataset or"),
    (lambda: {}['x'], "'mine' cannot be loaded: KeyError: 'x'"),
    (lambda: make_dataset().half(2), "'mine' cannot be loaded: IndexError"),
  ],
)
def test_a_function_that_returns_no_data_set(load, message, monkeypatch):
  entry = datasets.DatasetEntry(load)
  monkeypatch.setitem(datasets.DATASETS, 'mine', entry)
  for get in (datasets.load, datasets.outline):
    with pytest.raises(datasets.DatasetError, match=message):
      get('mine')


def test_a_data_set_is_registered_by_a_function():
  with pytest.raises(TypeError, match='load is a Dataset; give a function'):
    datasets.register('mine', make_dataset())
  with pytest.raises(TypeError, match='outline is a Dataset'):
    datasets.register('mine', make_dataset, outline=make_dataset())
  assert 'mine' not in datasets.DATASETS


def not_called():
  raise ValueError('not called')
