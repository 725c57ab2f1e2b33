"""E-LTH, figure 6: tickets of five ResNets, each moved to the four others.

  TFDS_DATA_DIR=... python -m elth_jax.main \
    --config=experiments/elth_figure6.py --workdir=runs/elth_figure6

Elastic tickets of matched sparsity, which the paper has not, stand beside.
At the paper's scale: three replicates of the full recipe, 20% to 94.5%
sparsity, 160 epochs each, so for a cluster or a long time on one accelerator.
`--config.scale=small`: ResNet-14 and 20, a quarter as wide, on 15,000 images of
Fashion-MNIST at 14 pixels, 94.5% sparsity, eight replicates; nine
minutes each on two cores, beside other work.
`--config.scale=small_levels`: the same with IMP in thirteen levels of 20%, as
in the paper, and fewer methods; eight replicates, 42 minutes on two cores.
`--config.scale=cifar`: the same on 10,000 images of CIFAR-10 at 16 pixels;
seven minutes each.
`--config.scale=short` and `cifar_short`: the same on all images, 12 epochs of
them, which is not enough for dense networks to converge; eight and four
replicates, five to nine minutes each on two cores.
`--config.scale=gpu`: ResNet-14 and 20 as the paper has them, on all images of
CIFAR-10, 32 epochs, 94.5% sparsity, four replicates; 12 minutes of an H100.
Whether dense networks converge in that was not tried.
`--config.scale=digits`: the whole ladder, an eighth as wide, on handwritten
digits, eight replicates; 760 trainings, 20 minutes on one core, beside
other work.
`--config.scale=digits_crops`: a quarter as wide, with random crops, 36 epochs,
in which networks do not converge.
"""

from ml_collections import ConfigDict

from elth_jax.papers.scales import (
  DIGITS,
  DIGITS_CROPS,
  GPU_CIFAR,
  HIGH,
  PAPER_CIFAR,
  SHORT_CIFAR,
  SHORT_FASHION,
  SMALL_CIFAR,
  SMALL_FASHION,
)
from elth_jax.study.claims import better, no_worse
from elth_jax.study.config import base_config
from elth_jax.study.published import published
from elth_jax.study.spec import Paper
from elth_jax.training.recipe import CIFAR_RESNET

LADDER = ('resnet14', 'resnet20', 'resnet32', 'resnet44', 'resnet56')
ONE_SHOT = ('magnitude', 'snip', 'grasp')
OTHERS = ('reinit', 'random', *ONE_SHOT)
# source -> the targets on which it is claimed to be better; all if empty
BETTER_ON = {
  'resnet14': ('resnet20',),
  **dict.fromkeys(LADDER[1:], ()),
}
NEARER = (
  *(
    (near, far, 'resnet44', 'claim 38')
    for near in ('resnet32', 'resnet56')
    for far in ('resnet14', 'resnet20')
  ),
  ('resnet44', 'resnet14', 'resnet56', 'claim 39'),
  ('resnet44', 'resnet20', 'resnet56', 'claim 39'),
  *(
    ('resnet14', far, 'resnet20', 'claim 40')
    for far in ('resnet32', 'resnet44', 'resnet56')
  ),
  ('resnet20', 'resnet14', 'resnet32', 'claim 41'),
)
# two depths
NEIGHBOURS = {
  'sources': LADDER[:2],
  'targets': LADDER[:2],
  'analyses': {'doubled': True},
}
# those of the short runs
NO_GRASP = ('imp', 'ett', 'ett_matched', *OTHERS[:-1])


def get_config() -> ConfigDict:
  return base_config(
    **PAPER_CIFAR,
    sources=LADDER,
    targets=LADDER,
    methods=('imp', 'ett', 'ett_matched', 'reinit', 'random', *ONE_SHOT),
    recipe=CIFAR_RESNET,
    paper=Paper(
      title='E-LTH, figure 6',
      question='Does a ticket serve the other depths of its family?',
      claims=(
        # all but ResNet-14 to large targets
        *(
          better(f'ett from {source}', name, at=HIGH, on=on, where='claim 36')
          for name in OTHERS
          for source, on in BETTER_ON.items()
        ),
        *(  # and with as few weights as the others have
          better(f'ett_matched from {source}', name, HIGH, on, where='claim 36')
          for name in OTHERS
          for source, on in BETTER_ON.items()
        ),
        *(  # ResNet-14's nearly so
          no_worse(f'{name} from {source}', 'imp', 1, HIGH, on, where=claim)
          for name in ('ett', 'ett_matched')
          for source, on in BETTER_ON.items()
          for claim in ('claims 37 40' if on else 'claim 37',)
        ),
        *(  # a smaller difference in depth is better
          better(f'ett from {near}', f'ett from {far}', HIGH, on, where=claim)
          for near, far, on, claim in NEARER
        ),
        *(
          better('ett from resnet14', name, HIGH, 'resnet32', where='claim 41')
          for name in ONE_SHOT
        ),
        *(
          no_worse(
            name,
            'ett from resnet14',
            0.5,
            HIGH,
            ('resnet44', 'resnet56'),
            where='claim 42',
          )
          for name in ('snip', 'grasp')
        ),
      ),
      published=(
        published('resnet20', 'imp', 91.07, at=0.8926),
        published('resnet32', 'imp', 92.22, at=0.8926),
        published('resnet32', 'ett from resnet20', 91.38, at=0.8926),
      ),
    ),
    scales={
      'small': {**SMALL_FASHION, **NEIGHBOURS},
      'small_levels': {
        **SMALL_FASHION,
        **NEIGHBOURS,
        'methods': ('imp', 'ett', 'ett_matched', 'random', 'magnitude'),
        'levels': 13,
        'compare_levels': (13,),
        'prune_fraction': 0.2,  # as in the paper
      },
      'cifar': {**SMALL_CIFAR, **NEIGHBOURS, 'replicates': 8},
      'short': {
        **SHORT_FASHION,
        'sources': LADDER[:2],
        'targets': LADDER[:2],
        'methods': NO_GRASP,
        'replicates': 8,
      },
      'cifar_short': {
        **SHORT_CIFAR,
        **NEIGHBOURS,
        'methods': NO_GRASP,
        'replicates': 4,
      },
      'gpu': {
        **GPU_CIFAR,
        'sources': LADDER[:2],
        'targets': LADDER[:2],
        'methods': ('imp', 'ett', 'ett_matched', 'random'),
      },
      'digits': {**DIGITS, 'analyses': {'doubled': True}},
      'digits_crops': {**DIGITS_CROPS, 'analyses': {'doubled': True}},
    },
  )
