"""OneTicket, figure 1: is pruning over all layers better than within each?

  TFDS_DATA_DIR=... python -m elth_jax.main \
    --config=experiments/oneticket_figure1.py --workdir=runs/figure1

VGG19 with a global average pool, CIFAR-10: IMP that ranks weights over the
whole network beside IMP that prunes the same share of every layer. Thirty
levels of 20%, six replicates. Random tickets, tickets that go back to
initialisation, and pruning in one shot stand beside, and how sparse the first
and the last layer become.
`--config.scale=small`: a sixteenth as wide, on 10,000 images of 16 pixels,
51.6% and 94.5% sparsity, four replicates; eight minutes on two cores. Four told
differences of four points.
`--config.scale=digits`: the same network, a sixteenth as wide, at 16 pixels,
on handwritten digits, 51.6% and 94.5% sparsity, eight replicates; six minutes
on two cores, beside other work.
`--config.scale=digits_crops`: an eighth as wide, a quarter of that training,
with random crops; six replicates took five minutes on two cores, beside other
work.
`--config.scale=gpu`: at full width, on 25,000 images of 16 pixels, 94.5%
sparsity, 32 epochs in bfloat16, four replicates; some eight minutes of an H100,
by what VGG-16 took there.
"""

from ml_collections import ConfigDict

from elth_jax.papers.oneticket import ONETICKET, ONETICKET_SCALES
from elth_jax.study.claims import better
from elth_jax.study.config import base_config
from elth_jax.study.spec import Paper
from elth_jax.training.recipe import ONETICKET_VGG19

METHODS = (
  'imp',
  'imp_layerwise',
  'reinit_global',
  'imp_from_start',
  'imp_oneshot',
)


def get_config() -> ConfigDict:
  return base_config(
    **ONETICKET | {'methods': METHODS},
    dataset='cifar10',
    sources=('oneticket_vgg19',),
    targets=('oneticket_vgg19',),
    recipe=ONETICKET_VGG19,
    paper=Paper(
      title='OneTicket, figure 1',
      question='Is pruning over all layers better than within each?',
      claims=(
        better('imp', 'imp_layerwise', above=0.9, where='claim 84'),
        better('imp', 'reinit_global', at='highest', where='claim 84'),
        # the first layer is spared, the deep ones are pruned
        better('sparsity_imp', 'first_imp', above=0.5, where='claim 85'),
        better('last_imp', 'sparsity_imp', above=0.5, where='claim 85'),
        better('imp', 'imp_from_start', above=0.8, where='claim 86'),
        better('imp', 'imp_oneshot', above=0.8, where='claim 87'),
      ),
    ),
    scales=ONETICKET_SCALES,
  )
