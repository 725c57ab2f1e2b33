"""E-LTH, figure 1 (VGGs): elastic tickets beside pruning at initialisation.

  TFDS_DATA_DIR=... python -m elth_jax.main \
    --config=experiments/elth_figure1_vgg.py --workdir=runs/elth_figure1_vgg

A ticket of VGG-13 stretched to VGG-19, beside IMP on VGG-19 itself, one-shot
pruning and random masks.
`--config.scale=small`: VGG-13 to 16, a sixteenth as wide, on 15,000 images of
Fashion-MNIST at 16 pixels, 94.5% sparsity, eight replicates; seconds where
`--config.reuse` takes figure 7's. Eight told differences of half a point.
`--config.scale=digits`: the same networks, a sixteenth as wide, at 16 pixels,
on handwritten digits, eight replicates; seconds where `--config.reuse` takes
figure 7's.
`--config.scale=digits_crops`: an eighth as wide, a quarter of that training,
with random crops; six replicates took three minutes on two cores, where a part
was taken from figure 7.
`--config.scale=gpu`: VGG-13 to 16 at full width, 25,000 images of 16 pixels,
94.5% sparsity, 32 epochs in bfloat16, four replicates; some six minutes of an
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

ONE_SHOT = ('magnitude', 'snip', 'grasp')


def get_config() -> ConfigDict:
  return base_config(
    **PAPER_CIFAR,
    sources=('vgg13',),
    targets=('vgg19',),
    methods=('imp', 'ett', 'reinit', 'random', *ONE_SHOT),
    recipe=VGG,
    paper=Paper(
      title='E-LTH, figure 1, VGGs',
      question='Do stretched tickets beat pruning at initialisation?',
      claims=(
        *(
          better('ett', name, at=HIGH, where='claims 11 13')
          for name in (*ONE_SHOT, 'reinit', 'random')
        ),
        no_worse('ett', 'imp', within=1, at=HIGH, where='claim 14'),
        no_worse('imp', 'dense', within=0.5, below=0.9, where='claim 15'),
      ),
    ),
    scales={
      'small': {
        **SMALL_VGG,
        'targets': ('vgg16',),
      },
      'gpu': {**GPU_SMALL_IMAGES, 'targets': ('vgg16',)},
      'digits': DIGITS_VGG,
      'digits_crops': DIGITS_VGG_CROPS,
    },
  )
