"""E-LTH, figure 1 (ResNets): elastic tickets beside pruning at initialisation.

  TFDS_DATA_DIR=... python -m elth_jax.main \
    --config=experiments/elth_figure1_resnet.py --workdir=runs/figure1_resnet

A ticket of ResNet-32 stretched to ResNet-56, beside IMP on ResNet-56 itself,
one-shot pruning and random masks, at 20% to 94.5% sparsity. The paper has not:
dense and random networks that train as long as IMP's search took.
`--config.scale=small`: ResNet-14 to 20, a quarter as wide, on Fashion-MNIST at
14 pixels, 94.5% sparsity; the nodes are those of figure 6, which
`--config.reuse` takes. Eight replicates tell differences of 1.2 points with a
power of 80% where replicates spread by 0.8.
`--config.scale=digits`: the same networks, an eighth as wide, on handwritten
digits, eight replicates; four minutes on one core, where dense networks and
IMP's were taken from figure 6.
`--config.scale=digits_crops`: a quarter as wide, with random crops, 36 epochs,
in which networks do not converge.
`--config.scale=gpu`: ResNet-14 to 20 at full width, all images, 94.5% sparsity,
32 epochs in bfloat16, four replicates; some nine minutes of an H100, by what
ResNet-20 took there.
"""

from ml_collections import ConfigDict

from elth_jax.papers.scales import HIGH, ONE_STRETCH, PAPER_CIFAR
from elth_jax.study.claims import better, no_worse
from elth_jax.study.config import base_config
from elth_jax.study.spec import Paper
from elth_jax.training.recipe import CIFAR_RESNET

ONE_SHOT = ('magnitude', 'snip', 'grasp')
METHODS = ('imp', 'ett', 'reinit', 'random', *ONE_SHOT)
LONGER = ('dense_longer', 'random_longer')  # as long as IMP's search took


def get_config() -> ConfigDict:
  return base_config(
    **PAPER_CIFAR,
    sources=('resnet32',),
    targets=('resnet56',),
    methods=(*METHODS, *LONGER),
    recipe=CIFAR_RESNET,
    paper=Paper(
      title='E-LTH, figure 1, ResNets',
      question='Do stretched tickets beat pruning at initialisation?',
      claims=(
        *(
          better('ett', name, at=HIGH, where='claims 10 11')
          for name in (*ONE_SHOT, 'reinit', 'random')
        ),
        no_worse('ett', 'imp', within=1, at=HIGH, where='claim 12'),
        no_worse('imp', 'dense', within=0.5, below=0.9, where='claim 15'),
        better('ett', 'random_longer', at=HIGH, where='claim 11'),
        no_worse('imp', 'dense_longer', 0.5, below=0.9, where='claim 15'),
      ),
    ),
    scales={
      'small': {**ONE_STRETCH['small'], 'methods': METHODS},
      'gpu': {**ONE_STRETCH['gpu'], 'methods': METHODS},
      'digits': {**ONE_STRETCH['digits'], 'analyses': {'doubled': True}},
      'digits_crops': ONE_STRETCH['digits_crops'],
    },
  )
