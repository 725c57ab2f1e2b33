"""E-LTH, earlier version, appendix on width: tickets of twice and half of it.

  TFDS_DATA_DIR=... python -m elth_jax.main \
    --config=experiments/elth_table_width.py:double --workdir=runs/width

`double`: ResNet-20's ticket to ResNet-20 W32, every channel split in two:
replicated, with Gaussian noise, or permuted. `halve`: the other way, one of
each two channels kept. At 89.26% sparsity, as the table's caption says.
`--config.scale=small`: widths 4 and 8, on 15,000 images of Fashion-MNIST at 14
pixels, 89.3% sparsity, eight replicates; 40 minutes on two cores for `double`,
and seven for `halve`, which takes networks from it. Eight told differences of
0.3 points.
`--config.scale=digits`: widths 2 and 4, on handwritten digits, eight
replicates; nine minutes on two cores, beside other work.
`--config.scale=gpu`: the same networks at full width, 25,000 images of 16
pixels, 89.3% sparsity, 32 epochs in bfloat16, four replicates; up to five
minutes of an H100, by what ResNet-20 took there.
"""

from ml_collections import ConfigDict

from elth_jax.papers.scales import (
  DIGITS,
  DIGITS_CROPS,
  GPU_SMALL_IMAGES,
  PAPER_CIFAR,
  SMALL_FASHION,
)
from elth_jax.study.claims import better, no_worse
from elth_jax.study.config import base_config, choice
from elth_jax.study.published import published
from elth_jax.study.spec import Paper
from elth_jax.training.recipe import CIFAR_RESNET

AT = 0.8926  # sparsity, by the table's caption
DOUBLED = (
  published('resnet20', 'dense', 93.71),
  published('resnet20', 'imp', 93.76, at=AT),
  published('resnet20', 'ett[widen replicate]', 91.92, at=AT),
  published('resnet20', 'ett[widen gaussian]', 92.12, at=AT),
  published('resnet20', 'ett[widen permute]', 91.56, at=AT),
)
HALVED = (
  published('resnet20', 'imp', 90.79, at=AT),
  published('resnet20', 'ett[narrow]', 87.73, at=AT),
)
NOISE = (
  better('ett[widen gaussian]', 'ett[widen replicate]', AT, where='claim 78'),
  no_worse(
    'ett[widen replicate]', 'ett[widen permute]', 0.2, AT, where='claim 78'
  ),
)
# of networks that err on 6% of the images; on digits they err on 1.5%
SHORT = (
  better('imp', 'ett', AT, by=1.6, everywhere=True, where='claim 79'),
  better('dense', 'ett', AT, by=1.6, everywhere=True, where='claim 79'),
)
HALVING = (better('imp', 'ett', at=AT, where='claim 80'),)
# title, widths of target and source, in the paper and at small scale; numbers
CHOICES = {
  'double': ('doubled', (32, 16), (8, 4), DOUBLED),
  'halve': ('halved', (16, 32), (4, 8), HALVED),
}


def get_config(way: str = 'double') -> ConfigDict:
  title, widths, small, numbers = choice('way', way, CHOICES)
  on_digits = {'paper': {'claims': NOISE}} if way == 'double' else {}
  return base_config(
    **PAPER_CIFAR | {'levels': 10, 'compare_levels': (10,)},
    sources=('resnet20',),
    targets=('resnet20',),
    methods=('imp', 'ett'),
    orders=tuple(n.side.order for n in numbers if n.side.method == 'ett'),
    width=widths[0],
    source_width=widths[1],
    recipe=CIFAR_RESNET,
    paper=Paper(
      title=f'E-LTH, earlier version, width {title}',
      question='Do tickets change their width as they change their depth?',
      claims=(*NOISE, *SHORT) if way == 'double' else HALVING,
      published=numbers,
    ),
    scales={
      'small': {
        **SMALL_FASHION,
        'prune_fraction': 0.525,  # 89.3% sparsity in three levels
        'width': small[0],
        'source_width': small[1],
        'analyses': {'doubled': True},
      },
      'gpu': {**GPU_SMALL_IMAGES, 'prune_fraction': 0.525},
      'digits': {
        **DIGITS,
        'analyses': {'doubled': True},
        'prune_fraction': 0.525,
        'width': small[0] // 2,
        'source_width': small[1] // 2,
        **on_digits,
      },
      'digits_crops': {
        **DIGITS_CROPS,
        'prune_fraction': 0.525,
        'width': small[0],
        'source_width': small[1],
        **on_digits,
      },
    },
  )
