"""E-LTH, figure 8: are trainings of an elastic ticket linearly connected?

  TFDS_DATA_DIR=... python -m elth_jax.main \
    --config=experiments/elth_figure8.py --workdir=runs/elth_figure8

Two trainings of one ticket that differ in data order and augmentation alone:
IMP on ResNet-32, and tickets stretched from ResNet-20 and ResNet-14. A barrier
is the largest drop of accuracy on the line between the two.
`--config.scale=small`: ResNet-14 and 20 to ResNet-20.
"""

from ml_collections import ConfigDict

from elth_jax.study.claims import better
from elth_jax.study.config import GPU_CIFAR, SMALL_CIFAR, base_config
from elth_jax.study.published import published
from elth_jax.study.spec import Analyses, Paper
from elth_jax.training.recipe import CIFAR_RESNET


def get_config() -> ConfigDict:
  return base_config(
    dataset='cifar10',
    levels=10,
    compare_levels=(10,),  # 89.3% sparsity
    replicates=3,
    imagenet_normalization=True,  # as the published runs did
    sources=('resnet14', 'resnet20'),
    targets=('resnet32',),
    methods=('imp', 'ett'),
    analyses=Analyses(connectivity=('imp', 'ett')),
    recipe=CIFAR_RESNET,
    paper=Paper(
      title='E-LTH, figure 8',
      question='Does training an elastic ticket end in one linear basin?',
      claims=(
        better('barrier_ett', 'barrier_imp', at='highest'),
        better(
          'barrier_ett from resnet14',
          'barrier_ett from resnet20',
          at='highest',
        ),
      ),
      published=(
        published('resnet32', 'barrier_imp', 0, at=10, where='about 0'),
        published('resnet32', 'barrier_ett from resnet20', 8.72, at=10),
        published('resnet32', 'barrier_ett from resnet14', 69.72, at=10),
        published('resnet32', 'imp', 92.22, at=10),
        published('resnet32', 'ett from resnet20', 91.38, at=10),
      ),
    ),
    scales={
      'small': {
        **SMALL_CIFAR,
        'sources': ('resnet14',),
        'targets': ('resnet20',),
      },
      'gpu': GPU_CIFAR,
    },
  )
