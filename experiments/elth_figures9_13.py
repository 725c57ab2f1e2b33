"""E-LTH, earlier version, figures 9 to 13: one target, tickets of all others.

  TFDS_DATA_DIR=... python -m elth_jax.main \
    --config=experiments/elth_figures9_13.py:resnet32 --workdir=runs/figure11

The target is named behind the file: resnet14 (figure 9), resnet20, resnet32,
resnet44 or resnet56 (figure 13). `--config.scale=small`: a quarter as wide, on
4,000 images; `--config.scale=gpu`: 40 epochs.
"""

from ml_collections import ConfigDict

from elth_jax.study.claims import alike, better
from elth_jax.study.config import (
  GPU_CIFAR,
  PAPER_CIFAR,
  SMALL_CIFAR,
  base_config,
  choice,
)
from elth_jax.study.spec import Paper
from elth_jax.training.recipe import CIFAR_RESNET

CHOICES = {
  'resnet14': 9,
  'resnet20': 10,
  'resnet32': 11,
  'resnet44': 12,
  'resnet56': 13,
}
# not for the shallowest, which others are squeezed to
ORDERED = (alike('ett[append]', 'ett[interpolate]', within=1, at='highest'),)
OTHERS = ('reinit', 'random', 'magnitude', 'snip', 'grasp')


def get_config(target: str = 'resnet32') -> ConfigDict:
  number = choice('target', target, CHOICES)
  sources = tuple(name for name in CHOICES if name != target)
  return base_config(
    **PAPER_CIFAR,
    sources=sources,
    targets=(target,),
    methods=('imp', 'ett', *OTHERS),
    orders=('append', 'interpolate'),
    recipe=CIFAR_RESNET,
    paper=Paper(
      title=f'E-LTH, earlier version, figure {number}',
      question=f'Which of its family serves {target} best?',
      claims=(
        *(better('ett', name, at='highest') for name in OTHERS),
        *ORDERED[number == 9 :],
      ),
    ),
    scales={
      'small': {
        **SMALL_CIFAR,
        'train_examples': 4_000,
        'sources': sources[:2],
        'replicates': 2,
      },
      'gpu': {**GPU_CIFAR, 'sources': sources[:2]},
    },
  )
