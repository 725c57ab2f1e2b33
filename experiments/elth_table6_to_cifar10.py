"""E-LTH, table 6: tickets of ResNets found on SVHN, trained on CIFAR-10.

  TFDS_DATA_DIR=... python -m elth_jax.main \
    --config=experiments/elth_table6_to_cifar10.py --workdir=runs/table6

ResNet-20's ticket of SVHN is trained on CIFAR-10 as it is, and stretched to
ResNet-32. `elth_table6_to_svhn.py` goes the other way. `--config.scale=small`:
ResNet-14 and 20, a quarter as wide, on 8,000 images.
"""

from ml_collections import ConfigDict

from elth_jax.study.config import GPU_CIFAR, SMALL_CIFAR, base_config
from elth_jax.study.spec import Paper
from elth_jax.training.recipe import CIFAR_RESNET


def get_config() -> ConfigDict:
  return base_config(
    dataset='cifar10',
    source_datasets=('svhn_cropped',),
    sources=('resnet20',),
    targets=('resnet20', 'resnet32'),
    methods=('imp', 'ett', 'random', 'reinit'),
    levels=10,
    compare_levels=(10,),  # 89.3% sparsity
    replicates=3,
    imagenet_normalization=True,  # as the published runs did
    recipe=CIFAR_RESNET,
    paper=Paper(
      title='E-LTH, table 6, SVHN to CIFAR-10',
      question='Do tickets stretch across data sets as well as depths?',
      claims=('imp > ett at 10', 'ett > random at 10', 'ett > reinit at 10'),
      published=(
        'resnet20 imp at 10: 91.07',
        'resnet32 imp at 10: 92.22',
        'resnet20 ett from resnet20 at 10: 87.21',
        'resnet32 ett from resnet20 at 10: 88.67',
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
