"""The studies whose tickets come with the package, as `elth_jax:NAME`.

  python -m elth_jax.main --config=configs/collection.py:mnist \
    --workdir=runs/collection_mnist
  elth-jax publish runs/collection_mnist mlp4-r0-ett-append-from-mlp3-level05 \
    FOLDER

`digits`: ResNet-20, stretched to ResNet-32. `mnist` and `fashion_mnist`: MLP-3,
stretched to MLP-4. `cifar10`: ResNet-14 on all of CIFAR-10, half as wide,
stretched to ResNet-20. IMP's tickets, and elastic ones that are trained. One
replicate: these are tickets to start from, not results.
"""

from ml_collections import ConfigDict

from elth_jax.study.config import base_config, choice
from elth_jax.training.recipe import Recipe

DIGITS = {
  'sources': ('resnet20',),
  'targets': ('resnet20', 'resnet32'),
  'width': 4,  # channels of the first stage; 16 in the paper
  'levels': 5,
  'prune_fraction': 0.36,  # two levels of the paper in one: 89.3% at the fifth
  'recipe': Recipe(
    batch_size=32,
    epochs=9,
    drop_epochs=(6, 8),
    rewind_step=0,
    rewind_epochs=1,
    flip=False,
    crop_padding=1,
  ),
}
MLP = {
  'sources': ('mlp3',),
  'targets': ('mlp3', 'mlp4'),
  'levels': 5,
  'prune_fraction': 0.36,
  'recipe': Recipe(
    epochs=8,
    drop_epochs=(5, 7),
    rewind_step=0,
    rewind_epochs=1,
    flip=False,
    crop_padding=0,
  ),
}
CIFAR = {
  'sources': ('resnet14',),
  'targets': ('resnet14', 'resnet20'),
  'width': 8,
  'levels': 3,
  'prune_fraction': 0.4,  # 78.4% at the third
  'recipe': Recipe(
    epochs=8,
    drop_epochs=(5, 7),
    rewind_step=0,
    rewind_epochs=1,
  ),
}
STUDIES = {
  'digits': DIGITS,
  'mnist': MLP,
  'fashion_mnist': MLP,
  'cifar10': CIFAR,
}


def get_config(dataset: str = 'digits') -> ConfigDict:
  study = choice('data set', dataset, STUDIES)
  return base_config(
    dataset=dataset,
    methods=('imp', 'ett'),
    compare_levels=(study['levels'],),
    replicates=1,
    **study,
  )
