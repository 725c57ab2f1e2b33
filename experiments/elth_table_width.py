"""E-LTH, earlier version, appendix on width: tickets of twice and half of it.

  TFDS_DATA_DIR=... python -m elth_jax.main \
    --config=experiments/elth_table_width.py:double --workdir=runs/width

`double`: ResNet-20's ticket to ResNet-20 W32, every channel split in two:
replicated, with Gaussian noise, or permuted. `halve`: the other way, one of
each two channels kept. Compared at level 10; the published table does not name
its sparsity. `--config.scale=small`: widths 4 and 8, 8,000 images.
"""

from ml_collections import ConfigDict

from elth_jax.study.claims import better
from elth_jax.study.config import (
  GPU_CIFAR,
  PAPER_CIFAR,
  SMALL_CIFAR,
  base_config,
  choice,
)
from elth_jax.study.published import published
from elth_jax.study.spec import Paper
from elth_jax.training.recipe import CIFAR_RESNET

DOUBLED = (
  published('resnet20', 'dense', 93.71),
  published('resnet20', 'imp', 93.76, at=10),
  published('resnet20', 'ett[widen replicate]', 91.92, at=10),
  published('resnet20', 'ett[widen gaussian]', 92.12, at=10),
  published('resnet20', 'ett[widen permute]', 91.56, at=10),
)
HALVED = (
  published('resnet20', 'imp', 90.79, at=10),
  published('resnet20', 'ett[narrow]', 87.73, at=10),
)
# title, widths of target and source, in the paper and at small scale; numbers
CHOICES = {
  'double': ('doubled', (32, 16), (8, 4), DOUBLED),
  'halve': ('halved', (16, 32), (4, 8), HALVED),
}


def get_config(way: str = 'double') -> ConfigDict:
  title, widths, small, numbers = choice('way', way, CHOICES)
  return base_config(
    **PAPER_CIFAR,
    sources=('resnet20',),
    targets=('resnet20',),
    methods=('imp', 'ett', 'random', 'reinit'),
    orders=tuple(n.side.order for n in numbers if n.side.method == 'ett'),
    width=widths[0],
    source_width=widths[1],
    recipe=CIFAR_RESNET,
    paper=Paper(
      title=f'E-LTH, earlier version, width {title}',
      question='Do tickets change their width as they change their depth?',
      claims=(
        better('imp', 'ett', at='highest'),
        better('ett', 'random', at='highest'),
        better('ett', 'reinit', at='highest'),
      ),
      published=numbers,
    ),
    scales={
      'small': {**SMALL_CIFAR, 'width': small[0], 'source_width': small[1]},
      'gpu': GPU_CIFAR,
    },
  )
