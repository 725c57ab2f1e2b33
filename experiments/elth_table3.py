"""E-LTH, tables 2 and 3 on CIFAR-10: against RigL and DPF, and at what cost.

  TFDS_DATA_DIR=... python -m elth_jax.main \
    --config=experiments/elth_table3.py --workdir=runs/elth_table3

Elastic tickets from ResNet-20 beside methods that change masks in training.
The report has the cost of each, search included, in dense trainings.
`--config.scale=small`: ResNet-14 to 20.
"""

from ml_collections import ConfigDict

from elth_jax.study.claims import alike
from elth_jax.study.config import (
  GPU_CIFAR,
  PAPER_CIFAR,
  SMALL_CIFAR,
  base_config,
)
from elth_jax.study.published import published
from elth_jax.study.spec import Paper
from elth_jax.training.recipe import CIFAR_RESNET

CHANGING = ('rigl', 'rigl_x5', 'dpf')


def get_config() -> ConfigDict:
  return base_config(
    **PAPER_CIFAR,
    sources=('resnet20',),
    targets=('resnet32', 'resnet56'),
    methods=('imp', 'ett', *CHANGING),
    recipe=CIFAR_RESNET,
    paper=Paper(
      title='E-LTH, tables 2 and 3, on CIFAR-10',
      question='Do elastic tickets keep up with sparse training?',
      claims=tuple(
        alike('ett', name, within=1, at='highest') for name in CHANGING
      ),
      published=(published('resnet32', 'ett from resnet20', 91.38, at=10),),
    ),
    scales={
      'small': {
        **SMALL_CIFAR,
        'sources': ('resnet14',),
        'targets': ('resnet20',),
        'sparse': {'interval': 20, 'dpf_interval': 8},
      },
      'gpu': {**GPU_CIFAR, 'targets': ('resnet32',)},
    },
  )
