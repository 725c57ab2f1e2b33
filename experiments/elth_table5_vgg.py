"""E-LTH, table 5 (VGGs): fully-connected layers behind convolutions.

  TFDS_DATA_DIR=... python -m elth_jax.main \
    --config=experiments/elth_table5_vgg.py --workdir=runs/elth_table5_vgg

Tickets of VGG-13-2, VGG-13-3 and VGG-13-5 (one, two and four hidden linear
layers) on CIFAR-10, transformed to one another at 89.26% sparsity. Published:
IMP and ETT between 93.4% and 93.6% on all three. `--config.scale=small`: an
eighth as wide, on 8,000 images.
"""

from ml_collections import ConfigDict

from elth_jax.study.claims import alike, better
from elth_jax.study.config import (
  GPU_CIFAR,
  PAPER_CIFAR,
  SMALL_CIFAR,
  base_config,
)
from elth_jax.study.published import published
from elth_jax.study.spec import Paper
from elth_jax.training.recipe import VGG

LADDER = ('vgg13-2', 'vgg13-3', 'vgg13-5')
OTHERS = ('reinit', 'random', 'magnitude', 'snip')


def get_config() -> ConfigDict:
  return base_config(
    **PAPER_CIFAR | {'levels': 10, 'compare_levels': (10,)},  # 89.3% sparsity
    sources=LADDER,
    targets=LADDER,
    methods=('imp', 'ett', *OTHERS),
    recipe=VGG,
    paper=Paper(
      title='E-LTH, table 5, VGGs',
      question='Are fully-connected layers units, behind convolutions too?',
      claims=(
        alike('ett', 'imp', within=1, at='highest'),
        *(better('ett', name, at='highest') for name in OTHERS),
      ),
      published=tuple(
        published(name, method, 93.5, at=10, where='93.4 to 93.6')
        for name in LADDER
        for method in ('imp', 'ett')
      ),
    ),
    scales={
      'small': {
        **SMALL_CIFAR,
        'width': 8,
        'sources': LADDER[:2],
        'targets': LADDER[:2],
        'replicates': 2,
      },
      'gpu': {**GPU_CIFAR, 'sources': LADDER[:2], 'targets': LADDER[:2]},
    },
  )
