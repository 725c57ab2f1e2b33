"""OneTicket, figure 2: do tickets transfer within one distribution?

  TFDS_DATA_DIR=... python -m elth_jax.main \
    --config=experiments/oneticket_figure2.py:vgg19 --workdir=runs/figure2

Tickets of VGG19 or ResNet50 found on CIFAR-10a, one half of CIFAR-10, trained
on the other half, CIFAR-10b, beside the tickets that IMP finds there and random
ones (new weights under masks permuted globally). Thirty levels of 20%, compared
to the sixth and at every third after it, six replicates.
`--config.scale=small`: a sixteenth as wide, on 10,000 images of each half at 16
pixels, four replicates; eight minutes on two cores with VGG19.
`--config.scale=short`: on all 25,000, 12 epochs of them.
`--config.scale=gpu`: at full width, on all images of each half at 16 pixels,
94.5% sparsity, 32 epochs in bfloat16, four replicates; some five minutes of an
H100, by what VGG-16 took there.
"""

from ml_collections import ConfigDict

from elth_jax.papers.oneticket import (
  ONETICKET,
  ONETICKET_NETWORKS,
  ONETICKET_SCALES,
)
from elth_jax.study.claims import alike, better
from elth_jax.study.config import base_config, choice
from elth_jax.study.spec import Paper

CHOICES = ONETICKET_NETWORKS
CLAIMS = {
  'vgg19': (
    alike('ett', 'imp', within=1, where='claim 88'),
    better('ett', 'reinit_global', above=0.9, where='claim 88'),
  ),
  'resnet50': (  # random tickets are better where little is pruned
    better('reinit_global', 'ett', below=0.6, where='claim 89'),
    better('reinit_global', 'imp', below=0.6, where='claim 89'),
  ),
}


def get_config(network: str = 'vgg19') -> ConfigDict:
  name, recipe = choice('network', network, CHOICES)
  return base_config(
    **ONETICKET,
    dataset='cifar10b',
    source_datasets=('cifar10a',),
    sources=(name,),
    targets=(name,),
    recipe=recipe,
    paper=Paper(
      title=f'OneTicket, figure 2, {network}',
      question='Do winning tickets transfer within one distribution of images?',
      claims=CLAIMS[network],
    ),
    scales={name: ONETICKET_SCALES[name] for name in ('small', 'short', 'gpu')},
  )
