"""Tiny studies for several processes: --config=tests/hosts_study.py:KIND."""

import dataclasses

from ml_collections import ConfigDict

from elth_jax import datasets
from elth_jax.datasets import Dataset, imagenet
from elth_jax.dynamic.options import Sparse
from elth_jax.process import connection
from elth_jax.study.config import base_config
from elth_jax.study.spec import Analyses
from elth_jax.training import loop, trainer
from elth_jax.training.recipe import Recipe
from tests.conftest import make_dataset

COUNTS = {'train': 21, 'test': 10}
RECIPE = Recipe(
  batch_size=9,  # 3 for each of 4 devices, the last one's blank
  epochs=2,
  drop_epochs=(1,),
  rewind_step=1,
  flip=True,
  crop_padding=1,
)
KINDS = {
  # tickets spread over processes, with devices to spare
  'tickets': {
    'sources': ('mlp2',),
    'targets': ('mlp2',),
    'methods': ('imp',),
    'replicates': 3,
    'parallel': 'tickets',
  },
  # one ticket at a time over all devices
  'batch': {
    'sources': ('resnet8',),
    'targets': ('resnet8',),
    'methods': ('imp',),
    'replicates': 1,
    'parallel': 'batch',
    'analyses': Analyses(connectivity=('imp',), points=3),
  },
  # tickets spread for longer, and masks that change in training
  'killed': {
    'sources': ('mlp2',),
    'targets': ('mlp2',),
    'methods': ('imp', 'dpf'),
    'sparse': Sparse(dpf_interval=2),
    'replicates': 3,
    'parallel': 'tickets',
    'checkpoint_seconds': 1e-6,
    'recipe': dataclasses.replace(RECIPE, epochs=12),
  },
  # the same for longer
  'shared': {
    'sources': ('resnet8',),
    'targets': ('resnet8',),
    'methods': ('imp', 'random'),
    'replicates': 2,
    'parallel': 'batch',
    'recipe': dataclasses.replace(RECIPE, epochs=6),
  },
  # a process's devices share a ticket
  'both': {
    'sources': ('resnet8',),
    'targets': ('resnet8',),
    'methods': ('imp',),
    'replicates': 2,
  },
  # images that are read in parts
  'stream': {
    'dataset': 'tiny_stream',
    'sources': ('resnet8',),
    'targets': ('resnet8',),
    'methods': ('imp',),
    'replicates': 1,
    'parallel': 'batch',
  },
}


def study(kind: str) -> ConfigDict:
  return base_config(
    **{
      'recipe': RECIPE,
      'dataset': 'tiny',
      'width': 2,
      'levels': 1,
      'compare_levels': (1,),
      **KINDS[kind],
    }
  )


def tiny() -> Dataset:
  return make_dataset(channels=3)


def get_config(kind: str) -> ConfigDict:
  """The study, in a process of its own: settings of modules are changed."""
  loop.SEGMENT_SECONDS = 0.0  # many dispatches
  trainer.WORTH_SHARING = 0
  connection.LOST_SECONDS = 12
  datasets.register('tiny', tiny, replace=True)
  # in TFDS_DATA_DIR, by `tests.prepared`
  stream = dataclasses.replace(imagenet.IMAGENET, examples=COUNTS, side=16)
  datasets.register('tiny_stream', stream.load, replace=True)
  return study(kind)
