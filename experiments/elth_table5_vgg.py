"""E-LTH, table 5 (VGGs): fully-connected layers behind convolutions.

  TFDS_DATA_DIR=... python -m elth_jax.main \
    --config=experiments/elth_table5_vgg.py --workdir=runs/elth_table5_vgg

Tickets of VGG-13-2, VGG-13-3 and VGG-13-5 (one, two and four hidden linear
layers) on CIFAR-10, transformed to one another at 89.26% sparsity, and those of
matched sparsity beside.
`--config.scale=small`: VGG-13-2 and 13-3, a sixteenth as wide, on 15,000 images
of Fashion-MNIST at 16 pixels, 89.3% sparsity, eight replicates; not run.
`--config.scale=digits`: the same networks, a sixteenth as wide, at 16 pixels,
on handwritten digits, eight replicates; five minutes on two cores.
`--config.scale=gpu`: VGG-13-2 and 13-3 at full width, 25,000 images of 16
pixels, 89.3% sparsity, 32 epochs in bfloat16, four replicates; some five
minutes of an H100, by what VGG-16 took there.
"""

from ml_collections import ConfigDict

from elth_jax.papers.scales import (
  DIGITS_VGG,
  GPU_SMALL_IMAGES,
  PAPER_CIFAR,
  SMALL_VGG,
)
from elth_jax.papers.table5 import CLAIMED, ON_DIGITS, comparable
from elth_jax.study.config import base_config
from elth_jax.study.published import published
from elth_jax.study.spec import Paper
from elth_jax.training.recipe import VGG

LADDER = ('vgg13-2', 'vgg13-3', 'vgg13-5')
# table 5: source -> accuracy on each target, in %
PUBLISHED = {
  'vgg13-2': (93.50, 93.61, 93.38),
  'vgg13-3': (93.50, 93.62, 93.59),
  'vgg13-5': (93.44, 93.59, 93.38),
}


def get_config() -> ConfigDict:
  return base_config(
    **PAPER_CIFAR | {'levels': 10, 'compare_levels': (10,)},  # 89.3% sparsity
    sources=LADDER,
    targets=LADDER,
    methods=('imp', 'ett', 'ett_matched'),
    recipe=VGG,
    paper=Paper(
      title='E-LTH, table 5, VGGs',
      question='Are fully-connected layers units, behind convolutions too?',
      claims=comparable(CLAIMED, where='claim 66'),
      published=tuple(
        published(
          target,
          'imp' if source == target else f'ett from {source}',
          number,
          at=0.8926,
        )
        for source, numbers in PUBLISHED.items()
        for target, number in zip(LADDER, numbers, strict=True)
      ),
    ),
    scales={
      'small': {
        **SMALL_VGG,
        'prune_fraction': 0.525,  # 89.3% sparsity in three levels
        'sources': LADDER[:2],
        'targets': LADDER[:2],
        'analyses': {'doubled': True},
      },
      'gpu': {
        **GPU_SMALL_IMAGES,
        'prune_fraction': 0.525,
        'sources': LADDER[:2],
        'targets': LADDER[:2],
      },
      'digits': {
        **DIGITS_VGG,
        'prune_fraction': 0.525,
        'analyses': {'doubled': True},
        'paper': {'claims': comparable(ON_DIGITS)},
      },
    },
  )
