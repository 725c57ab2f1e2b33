"""E-LTH, figure 6: tickets of five ResNets, each moved to the four others.

  TFDS_DATA_DIR=... python -m elth_jax.main \
    --config=experiments/elth_figure6.py --workdir=runs/elth_figure6

At the paper's scale: three replicates of the full recipe, 750 trainings of
160 epochs, so for a cluster or a long time on one accelerator.
`--config.scale=small`: ResNet-14 and 20, a quarter as wide, on 8,000 images;
under an hour on two cores. `--config.scale=gpu`: ResNet-20 and 32, 40 epochs.
"""

from ml_collections import ConfigDict

from elth_jax.study.claims import better
from elth_jax.study.config import (
  GPU_CIFAR,
  PAPER_CIFAR,
  SMALL_CIFAR,
  base_config,
)
from elth_jax.study.published import published
from elth_jax.study.spec import Paper
from elth_jax.training.recipe import CIFAR_RESNET

LADDER = ('resnet14', 'resnet20', 'resnet32', 'resnet44', 'resnet56')
ONE_SHOT = ('magnitude', 'snip', 'grasp')


def get_config() -> ConfigDict:
  return base_config(
    **PAPER_CIFAR,
    sources=LADDER,
    targets=LADDER,
    methods=('imp', 'ett', 'reinit', 'random', *ONE_SHOT),
    recipe=CIFAR_RESNET,
    paper=Paper(
      title='E-LTH, figure 6',
      question='Does a ticket serve the other depths of its family?',
      claims=(
        *(better('ett', name, at='highest') for name in ('reinit', 'random')),
        *(better('ett', name, at='highest') for name in ONE_SHOT),
        # a smaller difference in depth is better
        better(
          'ett from resnet44', 'ett from resnet14', at='highest', on='resnet56'
        ),
        better(
          'ett from resnet32', 'ett from resnet14', at='highest', on='resnet44'
        ),
      ),
      published=(
        published('resnet20', 'imp', 91.07, at=10),
        published('resnet32', 'imp', 92.22, at=10),
        published('resnet32', 'ett from resnet20', 91.38, at=10),
      ),
    ),
    scales={
      'small': {
        **SMALL_CIFAR,
        'sources': LADDER[:2],
        'targets': LADDER[:2],
        'methods': ('imp', 'ett', 'reinit', 'random', 'magnitude', 'snip'),
      },
      'gpu': {**GPU_CIFAR, 'sources': LADDER[1:3], 'targets': LADDER[1:3]},
    },
  )
