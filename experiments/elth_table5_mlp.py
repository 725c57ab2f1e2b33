"""E-LTH, table 5 (MLPs): are fully-connected layers units like any other?

  TFDS_DATA_DIR=... python -m elth_jax.main \
    --config=experiments/elth_table5_mlp.py --workdir=runs/elth_table5_mlp

The claim: tickets of MLP-2, MLP-3 and MLP-4 on MNIST, transformed to one
another at 89.26% sparsity, come close to IMP's own. Published: IMP and ETT
between 97.8% and 98.1% on all three. The recipe is the paper's; three
replicates. The published code left the last hidden layer of a stretched MLP
fresh and dense; here every layer is filled (the table is `0:0;1:1,2;2:3`).
"""

from ml_collections import ConfigDict

from elth_jax.study.config import base_config
from elth_jax.training.recipe import MLP

LADDER = ('mlp2', 'mlp3', 'mlp4')


def get_config() -> ConfigDict:
  return base_config(
    dataset='mnist',
    sources=LADDER,
    targets=LADDER,
    levels=10,
    compare_levels=(10,),
    replicates=3,
    recipe=MLP,
  )
