"""OneTicket, figure A1: which kind of random mask hurts most?

  TFDS_DATA_DIR=... python -m elth_jax.main \
    --config=experiments/oneticket_figure_a1.py --workdir=runs/figure_a1

VGG19 with a global average pool, CIFAR-10: winning tickets beside new weights
under the same masks, masks permuted within layers, and masks permuted globally.
Thirty levels of 20%, compared to the sixth and at every third after it, six
replicates.
`--config.scale=small`: a sixteenth as wide, on 10,000 images of 16 pixels,
51.6% and 94.5% sparsity, four replicates; two minutes on two cores, where IMP
is taken from figure 1.
`--config.scale=digits`: the same network, a sixteenth as wide, at 16 pixels,
on handwritten digits, 51.6% and 94.5% sparsity, eight replicates; 84 seconds on
two cores, where IMP was taken from figure 1.
`--config.scale=digits_crops`: an eighth as wide, a quarter of that training,
with random crops; six replicates took 77 seconds on two cores, where IMP was
taken from figure 1.
`--config.scale=gpu`: at full width, on 25,000 images of 16 pixels, 94.5%
sparsity, 32 epochs in bfloat16, four replicates; some four minutes of an H100,
by what VGG-16 took there.
"""

from ml_collections import ConfigDict

from elth_jax.papers.oneticket import ONETICKET, ONETICKET_SCALES
from elth_jax.study.claims import better
from elth_jax.study.config import base_config
from elth_jax.study.spec import Paper
from elth_jax.training.recipe import ONETICKET_VGG19

RANDOM = ('reinit', 'reinit_local', 'reinit_global')


def get_config() -> ConfigDict:
  return base_config(
    **ONETICKET | {'methods': ('imp', *RANDOM)},
    dataset='cifar10',
    sources=('oneticket_vgg19',),
    targets=('oneticket_vgg19',),
    recipe=ONETICKET_VGG19,
    paper=Paper(
      title='OneTicket, figure A1',
      question='Which kind of random mask hurts most?',
      claims=(
        *(better('imp', n, above=0.8, where='claim 99') for n in RANDOM),
        better('reinit', 'reinit_global', above=0.8, by=1, where='claim 99'),
        better(
          'reinit_local', 'reinit_global', above=0.8, by=1, where='claim 99'
        ),
        better('reinit', 'reinit_local', above=0.8, where='claim 100'),
      ),
    ),
    scales=ONETICKET_SCALES,
  )
