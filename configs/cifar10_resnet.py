"""E-LTH's main experiment: the whole ladder of CIFAR ResNets, as published.

  TFDS_DATA_DIR=... python -m elth_jax.main \
    --config=configs/cifar10_resnet.py --workdir=runs/cifar10_resnet

Tickets of five ResNets, each transformed to the four others (figure 6), three
replicates, full recipe: 645 trainings of 160 epochs, so for a cluster or
a long time on one accelerator. `--config.dry_run=True` lists them.
Test accuracy as published, at 89.26% sparsity: IMP ResNet-20 91.07%,
ResNet-32 92.22%, ETT from 20 to 32 91.38%.
"""

from ml_collections import ConfigDict

from elth_jax.study.config import base_config
from elth_jax.training.recipe import CIFAR_RESNET

LADDER = ('resnet14', 'resnet20', 'resnet32', 'resnet44', 'resnet56')


def get_config() -> ConfigDict:
  return base_config(
    dataset='cifar10',
    sources=LADDER,
    targets=LADDER,
    levels=13,
    compare_levels=(2, 6, 10, 13),  # 36%, 73.8%, 89.3% and 94.5% sparsity
    replicates=3,
    imagenet_normalization=True,  # as the published runs did
    recipe=CIFAR_RESNET,
  )
