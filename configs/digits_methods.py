"""All methods of docs/methods.md on handwritten digits, in one report.

  python -m elth_jax.main --config=configs/digits_methods.py \
    --workdir=runs/digits_methods

Elastic tickets from ResNet-14 on ResNet-20, beside IMP, one-shot pruning
(Magnitude, SNIP, GraSP, SynFlow), masks that change in training (RigL, RigL-5x,
SET, DPF), and the controls of E-LTH's figures 3 and 4 and of OneTicket's A1, at
three sparsities, three replicates; with linear mode connectivity and the
overlap of masks. Networks are small and short-lived, so differences of a few
points mean nothing; the report says which are more than chance.
"""

from ml_collections import ConfigDict

from elth_jax.dynamic.options import Sparse
from elth_jax.study.config import base_config
from elth_jax.study.spec import Analyses
from elth_jax.training.recipe import Recipe

ONE_SHOT = ('magnitude', 'snip', 'grasp', 'synflow')
CONTROLS = (
  'reinit_local',
  'reinit_global',
  'ett_reinit',
  'ett_random_masks',
  'ett_all_random',
  'ett_snip_replicas',
  'ett_permuted_replicas',
)
CHANGING = ('rigl', 'rigl_x5', 'set', 'dpf')  # masks change in training


def get_config() -> ConfigDict:
  return base_config(
    dataset='digits',
    sources=('resnet14',),
    targets=('resnet20',),
    methods=(
      *('imp', 'imp_layerwise', 'ett', 'reinit', 'random'),
      *(*ONE_SHOT, *CONTROLS, *CHANGING),
    ),
    width=4,  # channels of the first stage; 16 in the paper
    levels=6,
    compare_levels=(2, 4, 6),  # 64%, 87% and 95.3% sparsity
    prune_fraction=0.4,  # of what is left; 0.2 in the paper
    replicates=3,
    # training has 405 steps, so masks change more often than in the papers
    sparse=Sparse(interval=10, dpf_interval=4),
    analyses=Analyses(connectivity=('imp', 'ett', 'random'), overlap=True),
    recipe=Recipe(
      batch_size=32,
      epochs=9,
      drop_epochs=(6, 8),
      rewind_step=0,
      rewind_epochs=1,
      flip=False,  # a mirrored digit is no digit
      crop_padding=1,
    ),
  )
