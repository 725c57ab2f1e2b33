"""E-LTH, table 3 and section 4.5: against DPF, on CIFAR-10, and at what cost.

  TFDS_DATA_DIR=... python -m elth_jax.main \
    --config=experiments/elth_table3.py:resnet32 --workdir=runs/table3

The target is named behind the file: resnet20 (its ticket from ResNet-14),
resnet32 (from ResNet-20) or resnet56 (from ResNet-32), at 90% and 95% sparsity.
The published numbers are drops below each one's own dense network, which is one
and the same here. RigL, trained five times as long, is no row of the table, and
stands beside for comparison. `elth-jax reproduce` adds up what all this costs.
`--config.scale=small`: ResNet-14 to 20 on Fashion-MNIST at 14 pixels, 90% and
95.4% sparsity, eight replicates; 45 minutes on two cores, beside other work,
most of them of RigL.
`--config.scale=digits`: the same networks, a quarter as wide, on handwritten
digits, eight replicates; three minutes a pair on one core, where dense networks
were taken from figure 6.
`--config.scale=gpu`: the same networks at full width, 25,000 images of 16
pixels, 90% and 95.4% sparsity, without RigL, 32 epochs in bfloat16, four
replicates; up to six minutes of an H100, by what ResNet-20 took there.
"""

from ml_collections import ConfigDict

from elth_jax.papers.scales import (
  DIGITS,
  GPU_SMALL_IMAGES,
  PAPER_CIFAR,
  SMALL_FASHION,
)
from elth_jax.study.claims import Claim, better, no_worse
from elth_jax.study.config import base_config, choice
from elth_jax.study.published import Published, published
from elth_jax.study.spec import Paper
from elth_jax.training.recipe import CIFAR_RESNET

SPARSITIES = (0.9, 0.95)
# target -> source; dense accuracy; drops at 90% and 95% of DPF and of ETT
PAIRS = {
  'resnet20': ('resnet14', 92.48, (1.60, 4.47), (1.64, 4.48)),
  'resnet32': ('resnet20', 93.83, (1.41, 2.89), (0.96, 2.83)),
  'resnet56': ('resnet32', 94.51, (0.56, 1.77), (0.50, 1.66)),
}
CHOICES = dict.fromkeys(PAIRS)
# 90.0% and 95.4% in fewer levels
TWO_SPARSITIES = {
  'levels': 4,
  'compare_levels': (3, 4),
  'prune_fraction': 0.536,  # of what is left
}


def get_config(target: str = 'resnet32') -> ConfigDict:
  choice('target', target, CHOICES)
  return base_config(
    **PAPER_CIFAR
    | {'compare_levels': (10, 13), 'prune_fraction': 0.20567},  # 90.0%, 95.0%
    sources=(PAIRS[target][0],),
    targets=(target,),
    methods=('imp', 'ett', 'dpf', 'rigl_x5'),
    recipe=CIFAR_RESNET,
    paper=Paper(
      title=f'E-LTH, table 3, {target}',
      question='Do elastic tickets keep up with sparse training?',
      claims=claims_of(target),
      published=numbers_of(target),
    ),
    scales={
      'small': {
        **SMALL_FASHION,
        'sources': ('resnet14',),
        'targets': ('resnet20',),
        **TWO_SPARSITIES,
        'sparse': {'dpf_interval': 8},
      },
      'gpu': {
        **GPU_SMALL_IMAGES,
        **TWO_SPARSITIES,
        'methods': ('imp', 'ett', 'dpf'),
      },
      'digits': {
        **DIGITS,
        'width': 4,  # in narrower networks DPF prunes whole layers at 90% too
        **TWO_SPARSITIES,
        'sparse': {'interval': 10, 'dpf_interval': 8},
        'analyses': {'doubled': True},
      },
    },
  )


def claims_of(target: str) -> tuple[Claim, ...]:
  claims = [
    no_worse('ett', 'dpf', 0.5, s, where='claim 62') for s in SPARSITIES
  ]
  if target != 'resnet20':
    claims.append(better('ett', 'dpf', 0.95, where='claim 62'))
  # the paper claims this of ImageNet (56)
  claims += [no_worse('ett', 'rigl_x5', 1, s) for s in SPARSITIES]
  return tuple(claims)


def numbers_of(target: str) -> tuple[Published, ...]:
  source, dense, dpf, elastic = PAIRS[target]
  return (
    published(target, 'dense', dense),
    *(
      published(target, f'drop_{side}', number, at=sparsity)
      for side, numbers in (('dpf', dpf), (f'ett from {source}', elastic))
      for sparsity, number in zip(SPARSITIES, numbers, strict=True)
    ),
  )
