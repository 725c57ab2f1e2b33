"""E-LTH, figure 7: tickets of three VGGs, each moved to the two others.

  TFDS_DATA_DIR=... python -m elth_jax.main \
    --config=experiments/elth_figure7.py --workdir=runs/elth_figure7
`--config.scale=small`: VGG-13 and 16, a sixteenth as wide, on 15,000 images of
Fashion-MNIST at 16 pixels, 94.5% sparsity, eight replicates; 23 minutes on two
cores. Eight told differences of half a point.
`--config.scale=digits`: the same networks, a sixteenth as wide, at 16 pixels,
on handwritten digits, elastic tickets of matched sparsity beside, eight
replicates; eight minutes on two cores.
`--config.scale=digits_crops`: an eighth as wide, a quarter of that training,
with random crops, in which networks do not converge; 20 minutes on two cores.
`--config.scale=gpu`: VGG-13 and 16 at full width, 25,000 images of 16 pixels,
94.5% sparsity, 32 epochs in bfloat16, four replicates; some nine minutes of an
H100, by what VGG-16 took there.
"""

from ml_collections import ConfigDict

from elth_jax.papers.scales import (
  DIGITS_VGG,
  DIGITS_VGG_CROPS,
  GPU_SMALL_IMAGES,
  HIGH,
  PAPER_CIFAR,
  SMALL_VGG,
)
from elth_jax.study.claims import better, no_worse
from elth_jax.study.config import base_config
from elth_jax.study.spec import Paper
from elth_jax.training.recipe import VGG

LADDER = ('vgg13', 'vgg16', 'vgg19')
ONE_SHOT = ('magnitude', 'snip', 'grasp')
METHODS = ('imp', 'ett', 'reinit', 'random', *ONE_SHOT)
WITH_MATCHED = ('imp', 'ett', 'ett_matched', *METHODS[2:])


def get_config() -> ConfigDict:
  return base_config(
    **PAPER_CIFAR,
    sources=LADDER,
    targets=LADDER,
    methods=METHODS,
    recipe=VGG,
    paper=Paper(
      title='E-LTH, figure 7',
      question='Does a ticket serve the other depths of a VGG?',
      claims=(
        *(
          better('ett', name, at=HIGH, where='claim 46')
          for name in ('reinit', 'random', *ONE_SHOT)
        ),
        no_worse('ett', 'imp', within=1, at=HIGH, where='claim 45'),
      ),
    ),
    scales={
      'small': {
        **SMALL_VGG,
        'sources': LADDER[:2],
        'targets': LADDER[:2],
        'methods': WITH_MATCHED,
        'analyses': {'doubled': True},
      },
      'gpu': {
        **GPU_SMALL_IMAGES,
        'sources': LADDER[:2],
        'targets': LADDER[:2],
      },
      'digits': {
        **DIGITS_VGG,
        'methods': WITH_MATCHED,
        'analyses': {'doubled': True},
      },
      'digits_crops': {**DIGITS_VGG_CROPS, 'analyses': {'doubled': True}},
    },
  )
