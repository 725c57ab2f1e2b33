"""E-LTH, appendix B: how long it takes to get tickets of a family.

  TFDS_DATA_DIR=... python -m elth_jax.main \
    --config=experiments/elth_appendix_b.py --workdir=runs/elth_appendix_b

ImageNet: one IMP run on ResNet-26, and its ticket trained on ResNet-18 and 34,
beside RigL trained five times as long, at 73.79% sparsity. The report's last
table has the time of each, search included, as measured on this machine; the
paper's are hours on eight V100, and count ResNet-26's own network too. Two
replicates, since time hardly varies.
`--config.scale=small`: CIFAR-10, ResNet-20 for 14 and 32, a quarter as wide, on
10,000 images.
`--config.scale=gpu`: ResNet-20 for 14 and 32, at full width, on 25,000 images
of CIFAR-10 at 16 pixels; some three minutes of an H100, by what ResNet-20 took
there.
"""

from ml_collections import ConfigDict

from elth_jax.papers.scales import GPU_CIFAR, SMALL_CIFAR
from elth_jax.study.claims import better
from elth_jax.study.config import base_config
from elth_jax.study.published import published
from elth_jax.study.spec import Paper
from elth_jax.training.recipe import CIFAR_RESNET, IMAGENET_RESNET

LADDER = tuple(f'imagenet_resnet{depth}' for depth in (18, 26, 34))
HOURS = (9.0, 10.0, 10.8)  # one dense training


def get_config() -> ConfigDict:
  return base_config(
    dataset='imagenet2012',
    sources=LADDER[1:2],
    targets=(LADDER[0], LADDER[2]),
    methods=('ett', 'rigl_x5'),
    levels=6,
    compare_levels=(6,),  # 73.8% sparsity
    replicates=2,
    recipe=IMAGENET_RESNET,
    paper=Paper(
      title='E-LTH, appendix B',
      question='How much time do tickets for a whole family save?',
      claims=(
        better('hours_rigl_x5', 'hours_ett', on='all', where='claim 75'),
      ),
      published=(
        *(
          published(name, 'hours_dense', hours, where='on eight V100')
          for name, hours in zip(LADDER, HOURS, strict=True)
        ),
        published(
          'all', 'hours_ett', 79.8, at=0.7379, where='89.8 with ResNet-26'
        ),
        published(
          'all', 'hours_rigl_x5', 99, at=0.7379, where='149 with ResNet-26'
        ),
      ),
    ),
    scales={
      'small': {
        **SMALL_CIFAR,
        'dataset': 'cifar10',
        'sources': ('resnet20',),
        'targets': ('resnet14', 'resnet32'),
        'recipe': {**vars(CIFAR_RESNET), **SMALL_CIFAR['recipe']},
      },
      'gpu': {
        'dataset': 'cifar10',
        'sources': ('resnet20',),
        'targets': ('resnet14', 'resnet32'),
        'image_size': 16,
        'train_examples': 25_000,
        'recipe': {
          **vars(CIFAR_RESNET),
          **GPU_CIFAR['recipe'],
        },
      },
    },
  )
