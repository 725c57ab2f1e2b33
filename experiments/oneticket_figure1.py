"""OneTicket, figure 1: is pruning over all layers better than within each?

  TFDS_DATA_DIR=... python -m elth_jax.main \
    --config=experiments/oneticket_figure1.py --workdir=runs/figure1

VGG19 with a global average pool, CIFAR-10: IMP that ranks weights over the
whole network beside IMP that prunes the same share of every layer. Thirty
levels of 20%, six replicates. `--config.scale=small`: an eighth as wide, on
8,000 images.
"""

from ml_collections import ConfigDict

from elth_jax.study.claims import better
from elth_jax.study.config import ONETICKET, ONETICKET_SCALES, base_config
from elth_jax.study.spec import Paper
from elth_jax.training.recipe import ONETICKET_VGG19


def get_config() -> ConfigDict:
  return base_config(
    **ONETICKET | {'methods': ('imp', 'imp_layerwise')},
    dataset='cifar10',
    sources=('oneticket_vgg19',),
    targets=('oneticket_vgg19',),
    recipe=ONETICKET_VGG19,
    paper=Paper(
      title='OneTicket, figure 1',
      question='Is pruning over all layers better than within each?',
      claims=(better('imp', 'imp_layerwise', at='highest'),),
    ),
    scales=ONETICKET_SCALES,
  )
