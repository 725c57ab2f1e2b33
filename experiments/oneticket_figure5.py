"""OneTicket, figure 5: do tickets transfer between SGD and Adam?

  TFDS_DATA_DIR=... python -m elth_jax.main \
    --config=experiments/oneticket_figure5.py --workdir=runs/figure5

Tickets of VGG19 found by Adam on CIFAR-10, trained by SGD, beside those that
IMP finds by SGD and random ones (new weights under masks permuted globally).
Thirty levels of 20%, compared to the sixth and at every third after it, six
replicates. `--config.scale=small`: an eighth as wide, on 8,000 images.
"""

from ml_collections import ConfigDict

from elth_jax.study.config import GPU_CIFAR, SMALL_CIFAR, base_config
from elth_jax.study.spec import Paper
from elth_jax.training.recipe import ONETICKET_VGG19


def get_config() -> ConfigDict:
  return base_config(
    dataset='cifar10',
    source_optimizer='adam',
    sources=('oneticket_vgg19',),
    targets=('oneticket_vgg19',),
    methods=('imp', 'ett', 'reinit_global'),
    levels=30,
    compare_levels=(1, 2, 3, 4, 5, 6, *range(9, 31, 3)),
    replicates=6,
    recipe=ONETICKET_VGG19,
    paper=Paper(
      title='OneTicket, figure 5, Adam to SGD',
      question='Do winning tickets transfer between optimisers?',
      claims=('ett ~ imp within 1', 'ett > reinit_global at highest'),
    ),
    scales={
      'small': {**SMALL_CIFAR, 'width': 8, 'replicates': 3},
      'gpu': {**GPU_CIFAR, 'replicates': 3},
    },
  )
