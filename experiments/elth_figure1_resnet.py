"""E-LTH, figure 1 (ResNets): elastic tickets beside pruning at initialisation.

  TFDS_DATA_DIR=... python -m elth_jax.main \
    --config=experiments/elth_figure1_resnet.py --workdir=runs/figure1_resnet

A ticket of ResNet-32 stretched to ResNet-56, beside IMP on ResNet-56 itself,
one-shot pruning and random masks. `--config.scale=small`: ResNet-14 to 20.
"""

from ml_collections import ConfigDict

from elth_jax.study.claims import better
from elth_jax.study.config import ONE_STRETCH, PAPER_CIFAR, base_config
from elth_jax.study.spec import Paper
from elth_jax.training.recipe import CIFAR_RESNET

ONE_SHOT = ('magnitude', 'snip', 'grasp')


def get_config() -> ConfigDict:
  return base_config(
    **PAPER_CIFAR,
    sources=('resnet32',),
    targets=('resnet56',),
    methods=('imp', 'ett', 'reinit', 'random', *ONE_SHOT),
    recipe=CIFAR_RESNET,
    paper=Paper(
      title='E-LTH, figure 1, ResNets',
      question='Do stretched tickets beat pruning at initialisation?',
      claims=(
        *(better('ett', name, at='highest') for name in ONE_SHOT),
        *(better('ett', name, at='highest') for name in ('reinit', 'random')),
      ),
    ),
    scales=ONE_STRETCH,
  )
