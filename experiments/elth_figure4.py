"""E-LTH, figure 4: how many unique units, and in which order?

  TFDS_DATA_DIR=... python -m elth_jax.main \
    --config=experiments/elth_figure4.py --workdir=runs/elth_figure4

ResNet-32 to 56: four, two or one unit replicated, appended or interpolated,
and interpolation with the masks of the replicas permuted.
`--config.scale=small`: the same networks and variants, a quarter as wide, on
15,000 images of Fashion-MNIST at 14 pixels, 51.6% and 94.5% sparsity, eight
replicates; four took 50 minutes on two cores. Eight tell differences of 0.6
points with a power of 80% where those of two variants of one ticket spread by
0.5; they spread by 0.2 to 0.4.
`--config.scale=digits`: the same networks and variants, an eighth as wide, on
handwritten digits, 51.6% and 94.5% sparsity, eight replicates; three minutes on
two cores.
`--config.scale=digits_crops`: a quarter as wide, with random crops, 12 epochs,
in which networks do not converge.
`--config.scale=gpu`: the same networks and variants at full width, 25,000
images of 16 pixels, 94.5% sparsity, 32 epochs in bfloat16, four replicates;
some five minutes of an H100, by what ResNet-20 took there.
"""

from ml_collections import ConfigDict

from elth_jax.papers.scales import (
  DIGITS,
  DIGITS_SHORT,
  FOUR_LEVELS,
  GPU_SMALL_IMAGES,
  HIGH,
  PAPER_CIFAR,
  SMALL_FASHION,
)
from elth_jax.study.claims import alike, better
from elth_jax.study.config import base_config
from elth_jax.study.spec import Paper
from elth_jax.training.recipe import CIFAR_RESNET

ORDERS = (
  'append',
  'interpolate',
  'append 1 2',
  'interpolate 1 2',
  'append 1',
  'append 2',
)
ONE_UNIT = 'ett[append 1]'
PERMUTED = 'ett_permuted_replicas[interpolate]'


def get_config() -> ConfigDict:
  return base_config(
    **PAPER_CIFAR,
    sources=('resnet32',),
    targets=('resnet56',),
    methods=('ett', 'ett_permuted_replicas'),
    orders=ORDERS,
    orders_of={'ett_permuted_replicas': ('interpolate',)},
    recipe=CIFAR_RESNET,
    paper=Paper(
      title='E-LTH, figure 4',
      question='How many unique units should be replicated, in which order?',
      claims=(
        better('ett[append]', 'ett[append 1 2]', at=HIGH, where='claim 21'),
        better(
          'ett[interpolate]', 'ett[interpolate 1 2]', at=HIGH, where='claim 22'
        ),
        better('ett[append]', ONE_UNIT, at=HIGH, where='claim 23'),
        better('ett[append 1 2]', ONE_UNIT, at=HIGH, where='claim 24'),
        better('ett[interpolate 1 2]', ONE_UNIT, at=HIGH, where='claim 24'),
        *(
          better(f'ett[{many}]', ONE_UNIT, growing=True, where='claim 25')
          for many in ('append', 'append 1 2')
        ),
        alike('ett[append]', ONE_UNIT, 1, below=0.6, where='claim 26'),
        alike('ett[append]', 'ett[append 1 2]', 1, below=0.6, where='claim 26'),
        better('ett[interpolate]', PERMUTED, everywhere=True, where='claim 27'),
        alike('ett[append]', 'ett[interpolate]', 1, at=HIGH, where='claim 28'),
        # the second unit is sparser than the first, and all are between
        *(
          better(f'sparsity_{one}', f'sparsity_{other}', HIGH, where='claim 34')
          for one, other in (
            ('ett[append 2]', ONE_UNIT),
            ('ett[append]', ONE_UNIT),
            ('ett[append 2]', 'ett[append]'),
          )
        ),
      ),
    ),
    scales={
      'small': {**SMALL_FASHION, **FOUR_LEVELS},
      'gpu': GPU_SMALL_IMAGES,
      'digits': {**DIGITS, **FOUR_LEVELS},
      'digits_crops': {**DIGITS_SHORT, 'compare_levels': (1, 3)},
    },
  )
