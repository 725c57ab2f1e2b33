"""Elastic tickets on real CIFAR-10 in under an hour on 2 cores.

  TFDS_DATA_DIR=... python -m elth_jax.main \
    --config=configs/cifar10_quick.py --workdir=runs/cifar10_quick

A small version of the paper's figure 6: tickets of ResNet-14 stretched to
ResNet-20, at half the paper's width, on 10,000 training images for five
epochs, two replicates; the whole test set. Half an hour to an hour on 2 cores.
Five epochs are far from convergence: what can be read off is the order of
methods, not the accuracy. Test accuracy on ResNet-20: dense 53%; at 93.75%
sparsity IMP 59%, ETT 56%, Magnitude 46%, Random 45%, Reinit 43%.
"""

from ml_collections import ConfigDict

from elth_jax.study.config import base_config
from elth_jax.training.recipe import Recipe


def get_config() -> ConfigDict:
  return base_config(
    dataset='cifar10',
    train_examples=10_000,
    sources=('resnet14',),
    targets=('resnet20',),
    width=8,  # 16 in the paper
    levels=4,
    compare_levels=(4,),  # 93.75% sparsity
    prune_fraction=0.5,  # of what is left; 0.2 in the paper
    replicates=2,
    recipe=Recipe(
      batch_size=64,
      epochs=5,
      drop_epochs=(3, 4),
      rewind_step=0,
      rewind_epochs=1,
    ),
  )
