"""The default: elastic tickets on handwritten digits, from one IMP run.

  python -m elth_jax.main --config=configs/digits.py --workdir=runs/digits

IMP finds tickets in ResNet-20; they are squeezed to ResNet-14 and stretched
to ResNet-32, and compared there with IMP's own, and with reinitialised,
random and magnitude masks. Everything four times, with other seeds.

The networks are a quarter of the usual width: digits are so easy that wider
ones hide the differences. On 2 cores about a minute with a C++ compiler, and 3
without. Test accuracy: dense 90 to 95%; at 95.3% sparsity IMP and ETT 90 to
94%, the others 59 to 77%.
"""

from ml_collections import ConfigDict

from elth_jax.study.config import base_config
from elth_jax.training.recipe import Recipe


def get_config() -> ConfigDict:
  return base_config(
    dataset='digits',
    sources=('resnet20',),
    targets=('resnet14', 'resnet32'),
    width=4,  # channels of the first stage; 16 in the paper
    levels=6,
    compare_levels=(2, 4, 6),  # 64%, 87% and 95.3% sparsity
    prune_fraction=0.4,  # of what is left; 0.2 in the paper
    replicates=4,
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
