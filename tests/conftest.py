"""What tests share: two host devices, a tiny data set, one compiled trainer."""

import os
import shutil
import tempfile

import hypothesis
import jax
import numpy as np
import pytest

from elth_jax.datasets.dataset import Dataset
from elth_jax.families import architecture
from elth_jax.methods import lottery
from elth_jax.process.compilation import keep_compiled
from elth_jax.training.recipe import Recipe
from elth_jax.training.trainer import Trainer

jax.config.update('jax_num_cpu_devices', 2)


def pytest_configure(config):
  """The processes of one run share what they compile; nothing else does."""
  if not hasattr(config, 'workerinput'):  # not a worker of xdist
    folder = tempfile.mkdtemp(prefix='elth_jax-tests-')
    os.environ['ELTH_JAX_CACHE'] = folder  # workers inherit it
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
  keep_compiled()


# machines here and there are too noisy for a deadline on one example
hypothesis.settings.register_profile('elth_jax', deadline=None)
hypothesis.settings.load_profile('elth_jax')


SHORT = Recipe(  # of studies in which nothing but the files matters
  batch_size=8,
  epochs=2,
  drop_epochs=(),
  rewind_step=1,
  flip=False,
  crop_padding=0,
)


def make_dataset(train=22, test=9, size=4, channels=1) -> Dataset:
  generator = np.random.default_rng(0)
  labels = generator.integers(0, 3, train + test).astype(np.int32)
  shape = (train + test, size, size, channels)
  images = generator.integers(0, 120, shape).astype(np.uint8)
  images += (labels * 60).astype(np.uint8)[:, None, None, None]  # learnable
  return Dataset(
    name='tiny',
    train_images=images[:train],
    train_labels=labels[:train],
    test_images=images[train:],
    test_labels=labels[train:],
    classes=3,
    mean=(0.4,) * channels,
    std=(0.25,) * channels,
  )


@pytest.fixture(scope='session')
def dataset() -> Dataset:
  return make_dataset()


@pytest.fixture(scope='session')
def recipe() -> Recipe:
  return Recipe(
    batch_size=8,
    epochs=3,
    drop_epochs=(2,),
    rewind_step=2,
    l2=1e-2,
    flip=True,
    crop_padding=1,
  )


@pytest.fixture(scope='session')
def net(dataset):
  return architecture('resnet8', dataset.image_shape, dataset.classes, 2)


@pytest.fixture(scope='session')
def trainer(net, recipe, dataset) -> Trainer:
  return Trainer(net, recipe, dataset)


@pytest.fixture(scope='session')
def tickets(net):
  """A dense ticket and one of half the weights."""
  fresh = net.init(0)
  dense = lottery.dense_ticket(net, fresh['params'], fresh['batch_stats'])
  sparse = lottery.next_level(dense, dense, dense.params, 0.5)
  return dense, sparse
