"""E-LTH, figure 5: earlier or later units, replicated or dropped?

  TFDS_DATA_DIR=... python -m elth_jax.main \
    --config=experiments/elth_figure5.py --workdir=runs/elth_figure5

ResNet-32 to 56 with the earlier, middle or later two of four units replicated;
ResNet-56 to 32 with different four of eight units kept.
`--config.scale=small`: the same networks, a quarter as wide, on 4,000 images.
"""

from ml_collections import ConfigDict

from elth_jax.study.claims import better
from elth_jax.study.config import (
  GPU_CIFAR,
  PAPER_CIFAR,
  SMALL_CIFAR,
  base_config,
)
from elth_jax.study.spec import Paper
from elth_jax.training.recipe import CIFAR_RESNET

STRETCHING = (
  'append 1 2',
  'append 2 3',
  'append 3 4',
  'interpolate 1 2',
  'interpolate 2 3',
  'interpolate 3 4',
)
SQUEEZING = (
  'keep 1 2 3 4',
  'keep 1 3 5 7',
  'keep 2 4 6 8',
  'keep 1 2 7 8',
  'keep 5 6 7 8',
)
KEPT = [f'ett[{rule}]' for rule in SQUEEZING]


def get_config() -> ConfigDict:
  return base_config(
    **PAPER_CIFAR,
    sources=('resnet32', 'resnet56'),
    targets=('resnet56', 'resnet32'),
    methods=('ett',),
    orders=STRETCHING + SQUEEZING,
    recipe=CIFAR_RESNET,
    paper=Paper(
      title='E-LTH, figure 5',
      question='Are earlier units better to replicate, and which to drop?',
      claims=(
        better('ett[append 1 2]', 'ett[append 3 4]', at='highest'),
        better('ett[interpolate 1 2]', 'ett[interpolate 3 4]', at='highest'),
        # dropping units 1 to 4 together is bad
        *(better(kept, KEPT[-1], at='highest') for kept in KEPT[:-1]),
      ),
    ),
    scales={
      'small': {**SMALL_CIFAR, 'train_examples': 4_000},
      'gpu': GPU_CIFAR,
    },
  )
