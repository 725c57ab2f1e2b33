"""E-LTH, figure 7: tickets of three VGGs, each moved to the two others.

  TFDS_DATA_DIR=... python -m elth_jax.main \
    --config=experiments/elth_figure7.py --workdir=runs/elth_figure7

`--config.scale=small`: VGG-13 and 16, an eighth as wide, on 8,000 images, two
replicates.
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
from elth_jax.training.recipe import VGG

LADDER = ('vgg13', 'vgg16', 'vgg19')
ONE_SHOT = ('magnitude', 'snip', 'grasp')


def get_config() -> ConfigDict:
  return base_config(
    **PAPER_CIFAR,
    sources=LADDER,
    targets=LADDER,
    methods=('imp', 'ett', 'reinit', 'random', *ONE_SHOT),
    recipe=VGG,
    paper=Paper(
      title='E-LTH, figure 7',
      question='Does a ticket serve the other depths of a VGG?',
      claims=(
        *(better('ett', name, at='highest') for name in ('reinit', 'random')),
        *(better('ett', name, at='highest') for name in ONE_SHOT),
      ),
    ),
    scales={
      'small': {
        **SMALL_CIFAR,
        'width': 8,
        'replicates': 2,
        'sources': LADDER[:2],
        'targets': LADDER[:2],
      },
      'gpu': GPU_CIFAR,
    },
  )
