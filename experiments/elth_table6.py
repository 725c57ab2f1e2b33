"""E-LTH, table 6: ResNets' tickets between SVHN and CIFAR-10.

  TFDS_DATA_DIR=... python -m elth_jax.main \
    --config=experiments/elth_table6.py:cifar10 --workdir=runs/table6

ResNet-20's ticket of the other data set is trained on the one named (`cifar10`
or `svhn_cropped`) as it is, and stretched to ResNet-32.
`--config.scale=small`: ResNet-14 and 20, a quarter as wide, on 8,000 images.
"""

from ml_collections import ConfigDict

from elth_jax.study.claims import better
from elth_jax.study.config import (
  GPU_CIFAR,
  SMALL_CIFAR,
  base_config,
  choice,
)
from elth_jax.study.published import published
from elth_jax.study.spec import Paper
from elth_jax.training.recipe import CIFAR_RESNET

# data set -> its title; IMP and transferred tickets of ResNet-20 and 32, in %
CHOICES = {
  'cifar10': ('SVHN to CIFAR-10', (91.07, 92.22), (87.21, 88.67)),
  'svhn_cropped': ('CIFAR-10 to SVHN', (95.95, 96.32), (95.44, 95.79)),
}
TARGETS = ('resnet20', 'resnet32')


def get_config(dataset: str = 'cifar10') -> ConfigDict:
  title, own, moved = choice('data set', dataset, CHOICES)
  (source,) = CHOICES.keys() - {dataset}
  return base_config(
    dataset=dataset,
    source_datasets=(source,),
    sources=('resnet20',),
    targets=TARGETS,
    methods=('imp', 'ett', 'random', 'reinit'),
    levels=10,
    compare_levels=(10,),  # 89.3% sparsity
    replicates=3,
    imagenet_normalization=True,  # as the published runs did
    recipe=CIFAR_RESNET,
    paper=Paper(
      title=f'E-LTH, table 6, {title}',
      question='Do tickets stretch across data sets as well as depths?',
      claims=(
        better('imp', 'ett', at=10),
        better('ett', 'random', at=10),
        better('ett', 'reinit', at=10),
      ),
      published=tuple(
        published(target, method, number, at=10)
        for method, numbers in (('imp', own), ('ett from resnet20', moved))
        for target, number in zip(TARGETS, numbers, strict=True)
      ),
    ),
    scales={
      'small': {
        **SMALL_CIFAR,
        'sources': ('resnet14',),
        'targets': ('resnet14', 'resnet20'),
      },
      'gpu': GPU_CIFAR,
    },
  )
