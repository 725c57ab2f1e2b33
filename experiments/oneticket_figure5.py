"""OneTicket, figure 5: do tickets transfer between SGD and Adam?

  TFDS_DATA_DIR=... python -m elth_jax.main \
    --config=experiments/oneticket_figure5.py:sgd --workdir=runs/figure5

Tickets of VGG19 found by the other optimiser on CIFAR-10, trained by the one
that is named (`sgd` or `adam`), beside those that IMP finds by it and random
ones (new weights under masks permuted globally). Thirty levels of 20%, compared
to the sixth and at every third after it, six replicates.
`--config.scale=small`: a sixteenth as wide, on 10,000 images of 16 pixels,
51.6% and 94.5% sparsity, four replicates; five to eight minutes on two cores,
where IMP is taken from figure 1.
`--config.scale=digits`: the same network, a sixteenth as wide, at 16 pixels,
on handwritten digits, 51.6% and 94.5% sparsity, eight replicates; two to four
minutes on two cores, where IMP was taken from figure 1.
`--config.scale=digits_crops`: an eighth as wide, a quarter of that training,
with random crops; six replicates took up to three minutes on two cores, where
IMP was taken from figure 1.
`--config.scale=gpu`: at full width, on 25,000 images of 16 pixels, 94.5%
sparsity, 32 epochs in bfloat16, four replicates; some five minutes of an H100,
by what VGG-16 took there.
"""

from ml_collections import ConfigDict

from elth_jax.papers.oneticket import ONETICKET, ONETICKET_SCALES
from elth_jax.study.claims import alike, better
from elth_jax.study.config import base_config, choice
from elth_jax.study.spec import Paper
from elth_jax.training.recipe import ONETICKET_VGG19

CHOICES = {'sgd': 'adam', 'adam': 'sgd'}  # the other one
# from SGD to Adam, where little is pruned
BELOW_RANDOM = {
  'adam': (better('reinit_global', 'ett', below=0.6, where='claim 98'),)
}


def get_config(optimizer: str = 'sgd') -> ConfigDict:
  other = choice('optimizer', optimizer, CHOICES)
  return base_config(
    **ONETICKET,
    dataset='cifar10',
    source_optimizer=other,
    sources=('oneticket_vgg19',),
    targets=('oneticket_vgg19',),
    recipe=ONETICKET_VGG19.by(optimizer),
    paper=Paper(
      title=f'OneTicket, figure 5, {other} to {optimizer}',
      question='Do winning tickets transfer between optimisers?',
      claims=(
        alike('ett', 'imp', within=1, where='claim 97'),
        better('ett', 'reinit_global', above=0.9, where='claim 97'),
        *BELOW_RANDOM.get(optimizer, ()),
      ),
    ),
    scales=ONETICKET_SCALES,
  )
