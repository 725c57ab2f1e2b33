"""E-LTH, figure 5: earlier or later units, replicated or dropped?

  TFDS_DATA_DIR=... python -m elth_jax.main \
    --config=experiments/elth_figure5.py --workdir=runs/elth_figure5

ResNet-32 to 56 with the earlier, middle or later two of four units replicated;
ResNet-56 to 32 with different four of eight units kept.
`--config.scale=small`: what is dropped alone, a quarter as wide, on 15,000
images of Fashion-MNIST at 14 pixels, 94.5% sparsity, eight replicates; three
minutes each on two cores. Eight tell differences of 0.6 points with a power of
80% where those of two variants of one ticket spread by 0.5, as they did.
`--config.scale=small_stretched`: what is replicated, on the same images, 51.6%
and 94.5% sparsity; four replicates took half an hour on two cores, with tickets
of figure 4 by `--config.reuse`.
`--config.scale=digits`: the same networks and variants, an eighth as wide, on
handwritten digits, eight replicates; six replicates took ten minutes on two
cores, beside other work.
`--config.scale=gpu`: what is dropped alone, at full width, 25,000 images of 16
pixels, 94.5% sparsity, 32 epochs in bfloat16, four replicates; some four
minutes of an H100, by what ResNet-20 took there.
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
        *(
          better(
            f'ett[{order} 1 2]', f'ett[{order} {later}]', HIGH, where='claim 30'
          )
          for order in ('append', 'interpolate')
          for later in ('2 3', '3 4')
        ),
        *(
          better(
            f'ett[{order} 1 2]',
            f'ett[{order} 3 4]',
            growing=True,
            where='claim 31',
          )
          for order in ('append', 'interpolate')
        ),
        *(  # consecutive units or not
          alike(KEPT[0], kept, within=1, at=HIGH, where='claim 32')
          for kept in KEPT[1:-1]
        ),
        # dropping units 1 to 4 together is bad
        *(
          better(kept, KEPT[-1], at=HIGH, where='claim 33')
          for kept in KEPT[:-1]
        ),
      ),
    ),
    scales={
      'small': {
        **SMALL_FASHION,
        'sources': ('resnet56',),  # what is dropped
        'targets': ('resnet32',),
        'orders': SQUEEZING,
      },
      'small_stretched': {
        **SMALL_FASHION,
        **FOUR_LEVELS,
        'sources': ('resnet32',),  # what is replicated
        'targets': ('resnet56',),
        'orders': STRETCHING,
      },
      'gpu': {
        **GPU_SMALL_IMAGES,
        'sources': ('resnet56',),
        'targets': ('resnet32',),
        'orders': SQUEEZING,
      },
      'digits': {**DIGITS, 'compare_levels': (1, 3)},
      'digits_crops': {**DIGITS_SHORT, 'compare_levels': (1, 3)},
    },
  )
