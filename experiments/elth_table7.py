"""E-LTH, table 7: tickets of ImageNet, trained on CIFAR-10.

  TFDS_DATA_DIR=... python -m elth_jax.main \
    --config=experiments/elth_table7.py --workdir=runs/elth_table7

ResNet-18's ticket of ImageNet as it is, and ResNet-26's squeezed to ResNet-18,
at 73.79% sparsity, under a fresh head. CIFAR-10 is enlarged to the size of
ImageNet's images, 224 pixels, as appendix D says. (The paper's text speaks of
ResNet-34 once where its table has ResNet-26; here it is ResNet-26.)
`--config.scale=small`: 10,000 images of each at 32 pixels, a sixteenth as wide;
it needs ImageNet, and was not run.
`--config.scale=gpu`: 50,000 images of each at 32 pixels, at full width, 32
epochs in bfloat16, four replicates; some four minutes of an H100, by what
VGG-16 took there. It needs ImageNet too.
"""

import dataclasses

from ml_collections import ConfigDict

from elth_jax.papers.scales import GPU_CIFAR, SMALL_CIFAR
from elth_jax.study.claims import alike, better, no_worse
from elth_jax.study.config import base_config
from elth_jax.study.spec import Paper
from elth_jax.training.recipe import CIFAR_RESNET, IMAGENET_RESNET

SMALL_RECIPE = SMALL_CIFAR['recipe']
AT = 0.7379  # sparsity
# what smaller scales train ImageNet by, beside what they train CIFAR-10 by
SOFTER = {'learning_rate': 0.1, 'warmup_epochs': 0}


def get_config() -> ConfigDict:
  return base_config(
    dataset='cifar10',
    source_datasets=('imagenet2012',),
    sources=('imagenet_resnet18', 'imagenet_resnet26'),
    targets=('imagenet_resnet18',),
    methods=('imp', 'ett'),
    imagenet_normalization=True,  # as the published runs did
    image_size=224,
    levels=6,
    compare_levels=(6,),  # 73.8% sparsity
    replicates=3,
    recipe=CIFAR_RESNET,
    recipe_on={'imagenet2012': dataclasses.asdict(IMAGENET_RESNET)},
    paper=Paper(
      title='E-LTH, table 7',
      question='Do tickets of ImageNet serve CIFAR-10, from another depth too?',
      claims=(
        alike('ett from imagenet_resnet18', 'imp', 0.5, AT, where='claim 73'),
        no_worse(
          'ett from imagenet_resnet26', 'dense', 0.5, AT, where='claim 74'
        ),
        better(
          'ett from imagenet_resnet18',
          'ett from imagenet_resnet26',
          at=AT,
          where='claim 74',
        ),
      ),
      published=(
        'imagenet_resnet18 dense: 95.21',
        'imagenet_resnet18 imp at 0.7379: 95.42',
        'imagenet_resnet18 ett from imagenet_resnet18 at 0.7379: 95.40',
        'imagenet_resnet18 ett from imagenet_resnet26 at 0.7379: 95.16',
      ),
    ),
    scales={
      'small': {
        **SMALL_CIFAR,
        'image_size': 32,
        'prune_fraction': 0.36,  # 73.8% sparsity in three levels
        'recipe_on': {'imagenet2012': {**SMALL_RECIPE, **SOFTER}},
      },
      'gpu': {
        **GPU_CIFAR,
        'prune_fraction': 0.36,
        'image_size': 32,
        'train_examples': 50_000,
        'recipe_on': {'imagenet2012': {**GPU_CIFAR['recipe'], **SOFTER}},
      },
    },
  )
