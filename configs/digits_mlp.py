"""Elastic tickets of MLPs on handwritten digits: the smallest real study.

  python -m elth_jax.main --config=configs/digits_mlp.py \
    --workdir=runs/digits_mlp

IMP finds tickets in MLP-3; they are squeezed to MLP-2 and stretched to MLP-4,
as in E-LTH's table 5, with hidden layers of 60 units instead of 300. Half a
minute on 2 cores. Test accuracy: dense 98%; at 95.3% sparsity IMP 92%, ETT 84
to 87%, Magnitude 50 to 63%, Reinit and Random down to chance.
"""

import dataclasses

from ml_collections import ConfigDict

from elth_jax.study.config import base_config
from elth_jax.training.recipe import MLP


def get_config() -> ConfigDict:
  return base_config(
    dataset='digits',
    sources=('mlp3',),
    targets=('mlp2', 'mlp4'),
    width=60,  # units of a hidden layer; 300 in the paper
    levels=6,
    compare_levels=(2, 4, 6),  # 64%, 87% and 95.3% sparsity
    prune_fraction=0.4,  # of what is left; 0.2 in the paper
    replicates=4,
    recipe=dataclasses.replace(MLP, batch_size=32, epochs=20),
  )
