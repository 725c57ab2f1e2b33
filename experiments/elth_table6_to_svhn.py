"""E-LTH, table 6: tickets of ResNets found on CIFAR-10, trained on SVHN.

  TFDS_DATA_DIR=... python -m elth_jax.main \
    --config=experiments/elth_table6_to_svhn.py --workdir=runs/table6_svhn

ResNet-20's ticket of CIFAR-10 is trained on SVHN as it is, and stretched to
ResNet-32. `elth_table6_to_cifar10.py` goes the other way.
`--config.scale=small`: ResNet-14 and 20, a quarter as wide, on 8,000 images.
"""

from ml_collections import ConfigDict

from elth_jax.study.config import GPU_CIFAR, SMALL_CIFAR, base_config
from elth_jax.study.spec import Paper
from elth_jax.training.recipe import CIFAR_RESNET


def get_config() -> ConfigDict:
  return base_config(
    dataset='svhn_cropped',
    source_datasets=('cifar10',),
    sources=('resnet20',),
    targets=('resnet20', 'resnet32'),
    methods=('imp', 'ett', 'random', 'reinit'),
    levels=10,
    compare_levels=(10,),  # 89.3% sparsity
    replicates=3,
    imagenet_normalization=True,  # as the published runs did
    recipe=CIFAR_RESNET,
    paper=Paper(
      title='E-LTH, table 6, CIFAR-10 to SVHN',
      question='Do tickets stretch across data sets as well as depths?',
      claims=('imp > ett at 10', 'ett > random at 10', 'ett > reinit at 10'),
      published=(
        'resnet20 imp at 10: 95.95',
        'resnet32 imp at 10: 96.32',
        'resnet20 ett from resnet20 at 10: 95.44',
        'resnet32 ett from resnet20 at 10: 95.79',
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
