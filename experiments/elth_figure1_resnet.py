"""E-LTH, figure 1 (ResNets): elastic tickets beside pruning at initialisation.

  TFDS_DATA_DIR=... python -m elth_jax.main \
    --config=experiments/elth_figure1_resnet.py --workdir=runs/figure1_resnet

A ticket of ResNet-32 stretched to ResNet-56, beside IMP on ResNet-56 itself,
one-shot pruning and random masks. `--config.scale=small`: ResNet-14 to 20.
"""

from ml_collections import ConfigDict

from elth_jax.study.config import GPU_CIFAR, SMALL_CIFAR, base_config
from elth_jax.study.spec import Paper
from elth_jax.training.recipe import CIFAR_RESNET

ONE_SHOT = ('magnitude', 'snip', 'grasp')


def get_config() -> ConfigDict:
  return base_config(
    dataset='cifar10',
    levels=13,
    compare_levels=(2, 6, 10, 13),  # 36%, 73.8%, 89.3% and 94.5% sparsity
    replicates=3,
    imagenet_normalization=True,  # as the published runs did
    sources=('resnet32',),
    targets=('resnet56',),
    methods=('imp', 'ett', 'reinit', 'random', *ONE_SHOT),
    recipe=CIFAR_RESNET,
    paper=Paper(
      title='E-LTH, figure 1, ResNets',
      question='Do stretched tickets beat pruning at initialisation?',
      claims=(
        *(f'ett > {name} at highest' for name in ONE_SHOT),
        *(f'ett > {name} at highest' for name in ('reinit', 'random')),
      ),
    ),
    scales={
      'small': {
        **SMALL_CIFAR,
        'sources': ('resnet14',),
        'targets': ('resnet20',),
      },
      'gpu': {**GPU_CIFAR, 'sources': ('resnet20',), 'targets': ('resnet32',)},
    },
  )
