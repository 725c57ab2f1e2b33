"""E-LTH, table 5 (MLPs): are fully-connected layers units like any other?

  TFDS_DATA_DIR=... python -m elth_jax.main \
    --config=experiments/elth_table5_mlp.py --workdir=runs/elth_table5_mlp

The claim: tickets of MLP-2, MLP-3 and MLP-4 on MNIST, transformed to one
another at 89.26% sparsity, lose less than 0.21 points against IMP's own in all
cases. Elastic tickets drift (MLP-2 to 3 stands at 87.08%), so those of matched
sparsity stand beside. The recipe is the paper's; three replicates. The
published code left the last hidden layer of a stretched MLP fresh and dense;
here every layer is filled (the table is `0:0;1:1,2;2:3`).
`--config.scale=small`: the paper's networks, data and recipe, five levels of
36% in place of ten, eight replicates; 22 minutes a replicate on two cores. Four
of them decided that tickets of matched sparsity lose more than 0.21 points.
`--config.scale=digits`: hidden layers of 60 units, on handwritten digits,
sixteen replicates; 75 seconds on two cores.
"""

from ml_collections import ConfigDict

from elth_jax.papers.table5 import CLAIMED, ON_DIGITS, comparable
from elth_jax.study.config import base_config
from elth_jax.study.published import published
from elth_jax.study.spec import Paper
from elth_jax.training.recipe import MLP

LADDER = ('mlp2', 'mlp3', 'mlp4')
# table 5: source -> accuracy on each target, in %
PUBLISHED = {
  'mlp2': (98.06, 97.95, 97.99),
  'mlp3': (97.91, 97.83, 97.83),
  'mlp4': (97.88, 97.91, 98.03),
}


def get_config() -> ConfigDict:
  return base_config(
    dataset='mnist',
    sources=LADDER,
    targets=LADDER,
    methods=('imp', 'ett', 'ett_matched'),
    levels=10,
    compare_levels=(10,),  # 89.3% sparsity
    replicates=3,
    recipe=MLP,
    paper=Paper(
      title='E-LTH, table 5',
      question='Are fully-connected layers units like any other?',
      claims=comparable(CLAIMED, where='claim 66'),
      published=tuple(
        published(
          target,
          'imp' if source == target else f'ett from {source}',
          number,
          at=0.8926,
        )
        for source, numbers in PUBLISHED.items()
        for target, number in zip(LADDER, numbers, strict=True)
      ),
    ),
    scales={
      'small': {
        'levels': 5,
        'compare_levels': (5,),
        'prune_fraction': 0.36,  # two levels of the paper in one
        'replicates': 8,
        'analyses': {'doubled': True},
      },
      'gpu': {},
      'digits': {
        'dataset': 'digits',
        'width': 60,  # 300 in the paper
        'levels': 5,
        'compare_levels': (5,),
        'prune_fraction': 0.36,
        'replicates': 16,
        'recipe': {'batch_size': 32, 'epochs': 40},
        'paper': {'claims': comparable(ON_DIGITS)},
        'analyses': {'doubled': True},
      },
    },
  )
