"""OneTicket, figure 2: do tickets transfer within one distribution?

  TFDS_DATA_DIR=... python -m elth_jax.main \
    --config=experiments/oneticket_figure2.py --workdir=runs/figure2

Tickets of VGG19 found on CIFAR-10a, one half of CIFAR-10, trained on the other
half, CIFAR-10b, beside the tickets that IMP finds there and random ones (new
weights under masks permuted globally). Thirty levels of 20%, compared to the
sixth and at every third after it, six replicates. `--config.scale=small`: an
eighth as wide, on 8,000 images. Other pairs, as in figures 3 and 4:
`--config.source_datasets="('svhn_cropped',)" --config.dataset=cifar10`.
"""

from ml_collections import ConfigDict

from elth_jax.study.config import GPU_CIFAR, SMALL_CIFAR, base_config
from elth_jax.study.spec import Paper
from elth_jax.training.recipe import ONETICKET_VGG19


def get_config() -> ConfigDict:
  return base_config(
    dataset='cifar10b',
    source_datasets=('cifar10a',),
    sources=('oneticket_vgg19',),
    targets=('oneticket_vgg19',),
    methods=('imp', 'ett', 'reinit_global'),
    levels=30,
    compare_levels=(1, 2, 3, 4, 5, 6, *range(9, 31, 3)),
    replicates=6,
    recipe=ONETICKET_VGG19,
    paper=Paper(
      title='OneTicket, figure 2, VGG19',
      question='Do winning tickets transfer within one distribution of images?',
      claims=('ett ~ imp within 1', 'ett > reinit_global at highest'),
    ),
    scales={
      'small': {**SMALL_CIFAR, 'width': 8, 'replicates': 3},
      'gpu': {**GPU_CIFAR, 'replicates': 3},
    },
  )
