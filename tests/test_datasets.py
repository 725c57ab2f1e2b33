import json
import os

import jax.numpy as jnp
import numpy as np
import pytest

from elth_jax import datasets
from elth_jax.datasets import tfds
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


def test_normalization_of_imagenet_is_for_colours():
  colours = make_dataset(channels=3).with_imagenet_normalization()
  assert colours.mean == (0.485, 0.456, 0.406)
  with pytest.raises(ValueError, match='1 channel'):
    make_dataset().with_imagenet_normalization()


@pytest.mark.parametrize(
  ('change', 'message'),
  [
    ({'train_images': np.zeros((22, 4, 4, 1))}, 'train: images are float64'),
    ({'test_labels': np.zeros(3, np.int32)}, 'test: 9 images, 3 labels'),
    ({'classes': 2}, 'labels run from 0 to 2, for 2 classes'),
  ],
)
def test_impossible_data(change, message):
  import dataclasses

  with pytest.raises(ValueError, match=message):
    dataclasses.replace(make_dataset(), **change)


def test_missing_data_says_what_to_do(tmp_path, monkeypatch):
  monkeypatch.setenv('TFDS_DATA_DIR', str(tmp_path))
  with pytest.raises(
    tfds.DatasetMissingError, match='tfds build mnist --data_dir'
  ):
    datasets.load('mnist')


def test_arrays_come_from_the_cache_unless_it_is_partial(tmp_path, monkeypatch):
  folder = tmp_path / 'data' / 'mnist' / '3.0.1'
  folder.mkdir(parents=True)
  splits = [{'name': n, 'shardLengths': ['3']} for n in ('train', 'test')]
  (folder / 'dataset_info.json').write_text(json.dumps({'splits': splits}))
  monkeypatch.setenv('TFDS_DATA_DIR', str(tmp_path / 'data'))
  monkeypatch.setenv('ELTH_JAX_CACHE', str(tmp_path / 'cache'))
  decoded = []

  def decode(folder, split, expected):
    decoded.append(split)
    return np.zeros((3, 28, 28, 1), np.uint8), np.arange(3, dtype=np.int32)

  monkeypatch.setattr(tfds, '_decode', decode)
  one, other = datasets.load('mnist'), datasets.load('mnist')
  assert decoded == ['train', 'test']
  np.testing.assert_array_equal(one.train_labels, other.train_labels)
  np.save(tmp_path / 'cache' / 'mnist-3.0.1-test-labels.npy', np.arange(2))
  datasets.load('mnist')
  assert decoded == ['train', 'test', 'test']
  images = tmp_path / 'cache' / 'mnist-3.0.1-train-images.npy'
  for damaged in (images.read_bytes()[:-9], b'', b'no array'):
    images.write_bytes(damaged)
    decoded.clear()
    np.testing.assert_array_equal(
      datasets.load('mnist').train_images, one.train_images
    )
    assert decoded == ['train']


@pytest.mark.slow
@pytest.mark.parametrize('name', ['mnist', 'cifar10'])
@pytest.mark.filterwarnings('ignore')  # tensorflow-datasets' own
def test_real_data(name, tmp_path, monkeypatch):
  data_dir = os.environ.get('TFDS_DATA_DIR')
  if not data_dir:
    pytest.skip('real data: set TFDS_DATA_DIR to prepared CIFAR-10 and MNIST')
  monkeypatch.setenv('ELTH_JAX_CACHE', str(tmp_path))
  dataset = datasets.load(name)
  assert len(dataset.test_labels) == 10_000
  assert np.bincount(dataset.train_labels).min() >= 5_000
  pixels = dataset.train_images.reshape(-1, dataset.image_shape[-1]) / 255
  np.testing.assert_allclose(pixels.mean(0), dataset.mean, atol=1e-3)
  np.testing.assert_allclose(pixels.std(0), dataset.std, atol=1e-3)
