"""E-LTH, appendix B: how long it takes to get a ticket.

  TFDS_DATA_DIR=... python -m elth_jax.main \
    --config=experiments/elth_appendix_b.py --workdir=runs/elth_appendix_b

One IMP run on ResNet-32, and its ticket trained on four other depths, beside
IMP on each of them. The report's last table has the time of each, search
included, as measured on this machine. One replicate, since time hardly varies.
`--config.scale=small`: ResNet-20 for 14 and 32, a quarter as wide, on 4,000
images.
"""

from ml_collections import ConfigDict

from elth_jax.study.config import (
  GPU_CIFAR,
  PAPER_CIFAR,
  SMALL_CIFAR,
  base_config,
)
from elth_jax.study.spec import Paper
from elth_jax.training.recipe import CIFAR_RESNET

ONE = {'replicates': 1}


def get_config() -> ConfigDict:
  return base_config(
    **PAPER_CIFAR | ONE,
    sources=('resnet32',),
    targets=('resnet14', 'resnet20', 'resnet44', 'resnet56'),
    methods=('imp', 'ett', 'rigl_x5'),
    recipe=CIFAR_RESNET,
    paper=Paper(
      title='E-LTH, appendix B',
      question='How much time does a ticket for a whole family save?',
    ),
    scales={
      'small': {
        **SMALL_CIFAR,
        'train_examples': 4_000,
        'sources': ('resnet20',),
        'targets': ('resnet14', 'resnet32'),
        'sparse': {'interval': 20},
      },
      'gpu': {**GPU_CIFAR, 'targets': ('resnet20', 'resnet44')},
    },
  )
