"""E-LTH, figure 3: what in a stretched ticket matters, masks or weights?

  TFDS_DATA_DIR=... python -m elth_jax.main \
    --config=experiments/elth_figure3.py --workdir=runs/elth_figure3

ResNet-32 to 56: the stretched ticket, its masks over new weights, its weights
under random masks, both random, and SNIP masks for the replicas alone.
`--config.scale=small`: ResNet-14 to 20 on Fashion-MNIST at 14 pixels, eight
replicates, a minute and a half each on two cores. That told masks and weights
apart, not SNIP masks, whose difference is below half a point.
`--config.scale=digits`: the same networks, an eighth as wide, on handwritten
digits, eight replicates; two minutes on one core, where a part was taken from
figures 1 and 6.
`--config.scale=digits_crops`: a quarter as wide, with random crops, 36 epochs,
in which networks do not converge.
`--config.scale=gpu`: ResNet-14 to 20 at full width, all images, 94.5% sparsity,
32 epochs in bfloat16, four replicates; some six minutes of an H100, by what
ResNet-20 took there.
"""

from ml_collections import ConfigDict

from elth_jax.papers.scales import ONE_STRETCH, PAPER_CIFAR
from elth_jax.study.claims import better, no_worse
from elth_jax.study.config import base_config
from elth_jax.study.spec import Paper
from elth_jax.training.recipe import CIFAR_RESNET

CONTROLS = ('ett_reinit', 'ett_random_masks', 'ett_all_random')


def get_config() -> ConfigDict:
  return base_config(
    **PAPER_CIFAR,
    sources=('resnet32',),
    targets=('resnet56',),
    methods=('ett', *CONTROLS, 'ett_snip_replicas'),
    recipe=CIFAR_RESNET,
    paper=Paper(
      title='E-LTH, figure 3',
      question='Do both masks and weights of a stretched ticket matter?',
      claims=(
        *(
          no_worse(
            'ett', name, 0.5, everywhere=True, above=0.5, where='claim 17'
          )
          for name in (*CONTROLS, 'ett_snip_replicas')
        ),
        *(
          better('ett', name, everywhere=True, above=0.8, where='claim 18')
          for name in CONTROLS
        ),
        better('ett', 'ett_snip_replicas', above=0.8, where='claim 19'),
      ),
    ),
    scales=ONE_STRETCH,
  )
