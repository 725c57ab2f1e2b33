"""E-LTH, figure 4: how many unique units, and in which order?

  TFDS_DATA_DIR=... python -m elth_jax.main \
    --config=experiments/elth_figure4.py --workdir=runs/elth_figure4

ResNet-32 to 56: four, two or one unit replicated, appended or interpolated,
and interpolation with the masks of the replicas permuted.
`--config.scale=small`: the same networks, a quarter as wide, on 4,000 images.
"""

from ml_collections import ConfigDict

from elth_jax.study.claims import alike, better
from elth_jax.study.config import (
  GPU_CIFAR,
  PAPER_CIFAR,
  SMALL_CIFAR,
  base_config,
)
from elth_jax.study.spec import Paper
from elth_jax.training.recipe import CIFAR_RESNET

ORDERS = (
  'append',
  'interpolate',
  'append 1 2',
  'interpolate 1 2',
  'append 1',
)
PERMUTED = 'ett_permuted_replicas[interpolate]'


def get_config() -> ConfigDict:
  return base_config(
    **PAPER_CIFAR,
    sources=('resnet32',),
    targets=('resnet56',),
    methods=('ett', 'ett_permuted_replicas'),
    orders=ORDERS,
    recipe=CIFAR_RESNET,
    paper=Paper(
      title='E-LTH, figure 4',
      question='How many unique units should be replicated, in which order?',
      claims=(
        better('ett[append]', 'ett[append 1]', at='highest'),
        better('ett[append 1 2]', 'ett[append 1]', at='highest'),
        alike('ett[append]', 'ett[append 1 2]', within=1, at='highest'),
        alike('ett[append]', 'ett[interpolate]', within=1, at='highest'),
        better('ett[interpolate]', PERMUTED, at='highest'),
      ),
    ),
    scales={
      'small': {**SMALL_CIFAR, 'train_examples': 4_000},
      'gpu': GPU_CIFAR,
    },
  )
