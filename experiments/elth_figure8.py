"""E-LTH, figure 8: are trainings of an elastic ticket linearly connected?

  TFDS_DATA_DIR=... python -m elth_jax.main \
    --config=experiments/elth_figure8.py --workdir=runs/elth_figure8

Two trainings of one ticket that differ in data order and augmentation alone:
IMP on ResNet-32, and tickets stretched from ResNet-20 and ResNet-14. A barrier
is the largest drop of accuracy on the line between the two; Random and SNIP
stand for other sparse networks. The paper does not name the figure's sparsity;
89.26% is that of its tables.
`--config.scale=small`: ResNet-14 to 20 on Fashion-MNIST at 14 pixels, 94.5%
sparsity, eight replicates; eight minutes on two cores, where `--config.reuse`
takes figure 1's. Other networks lost tens of points, so these decide.
`--config.scale=digits`: the same networks, an eighth as wide, on handwritten
digits, eight replicates; a minute on one core, where a part was taken from
figures 1 and 6.
`--config.scale=digits_crops`: a quarter as wide, with random crops, 36 epochs,
in which networks do not converge.
`--config.scale=gpu`: ResNet-14 to 20 at full width, all images, 94.5% sparsity,
32 epochs in bfloat16, four replicates; some nine minutes of an H100, by what
ResNet-20 took there.
"""

from ml_collections import ConfigDict

from elth_jax.papers.scales import (
  DIGITS,
  DIGITS_CROPS,
  ONE_STRETCH,
)
from elth_jax.study.claims import alike, better
from elth_jax.study.config import base_config
from elth_jax.study.published import published
from elth_jax.study.spec import Analyses, Paper
from elth_jax.training.recipe import CIFAR_RESNET

METHODS = ('imp', 'ett', 'random', 'snip')


def get_config() -> ConfigDict:
  return base_config(
    dataset='cifar10',
    levels=10,
    compare_levels=(10,),  # 89.3% sparsity; the paper names none
    replicates=3,
    imagenet_normalization=True,  # as the published runs did
    sources=('resnet14', 'resnet20'),
    targets=('resnet32',),
    methods=METHODS,
    analyses=Analyses(connectivity=METHODS),
    recipe=CIFAR_RESNET,
    paper=Paper(
      title='E-LTH, figure 8',
      question='Does training an elastic ticket end in one linear basin?',
      claims=(
        alike('barrier_imp', 0, within=2, at='highest', where='claim 53'),
        better(
          'barrier_ett from resnet20',
          'barrier_imp',
          at='highest',
          where='claim 54',
        ),
        better(
          'barrier_ett from resnet14',
          'barrier_ett from resnet20',
          at='highest',
          where='claim 54',
        ),
        *(
          better(
            f'barrier_{name}', 'barrier_imp', 'highest', by=5, where='claim 55'
          )
          for name in ('random', 'snip')
        ),
      ),
      published=(
        published('resnet32', 'barrier_imp', 0, at=0.8926, where='about 0'),
        published('resnet32', 'barrier_ett from resnet20', 8.72, at=0.8926),
        published('resnet32', 'barrier_ett from resnet14', 69.72, at=0.8926),
        published('resnet32', 'imp', 92.22, at=0.8926),
        published('resnet32', 'ett from resnet20', 91.38, at=0.8926),
      ),
    ),
    scales={
      'small': ONE_STRETCH['small'],
      'gpu': ONE_STRETCH['gpu'],
      'digits': DIGITS,
      'digits_crops': DIGITS_CROPS,
    },
  )
