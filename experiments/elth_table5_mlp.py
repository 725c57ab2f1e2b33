"""E-LTH, table 5 (MLPs): are fully-connected layers units like any other?

  TFDS_DATA_DIR=... python -m elth_jax.main \
    --config=experiments/elth_table5_mlp.py --workdir=runs/elth_table5_mlp

The claim: tickets of MLP-2, MLP-3 and MLP-4 on MNIST, transformed to one
another at 89.26% sparsity, come close to IMP's own. Published: IMP and ETT
between 97.8% and 98.1% on all three. The recipe is the paper's; three
replicates. The published code left the last hidden layer of a stretched MLP
fresh and dense; here every layer is filled (the table is `0:0;1:1,2;2:3`).
`--config.scale=small`: a third as wide, ten epochs of 20,000 images; ten
minutes on two cores.
"""

from ml_collections import ConfigDict

from elth_jax.study.claims import alike, better
from elth_jax.study.config import base_config
from elth_jax.study.published import published
from elth_jax.study.spec import Paper
from elth_jax.training.recipe import MLP

LADDER = ('mlp2', 'mlp3', 'mlp4')
OTHERS = ('reinit', 'random', 'magnitude', 'snip')


def get_config() -> ConfigDict:
  return base_config(
    dataset='mnist',
    sources=LADDER,
    targets=LADDER,
    methods=('imp', 'ett', *OTHERS),
    levels=10,
    compare_levels=(6, 10),  # 73.8% and 89.3% sparsity
    replicates=3,
    recipe=MLP,
    paper=Paper(
      title='E-LTH, table 5',
      question='Are fully-connected layers units like any other?',
      claims=(
        alike('ett', 'imp', within=1, at=10),
        *(better('ett', name, at=10) for name in OTHERS),
      ),
      published=tuple(
        published(name, 'imp', 98.0, at=10, where='97.8 to 98.1')
        for name in LADDER
      ),
    ),
    scales={
      'small': {
        'width': 100,  # 300 in the paper
        'train_examples': 20_000,
        'recipe': {'epochs': 10},
      },
      'gpu': {},
    },
  )
