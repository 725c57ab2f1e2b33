"""E-LTH, earlier version, appendix on width: tickets of twice and half of it.

  TFDS_DATA_DIR=... python -m elth_jax.main \
    --config=experiments/elth_table_width.py:double --workdir=runs/width

`double`: ResNet-20's ticket to ResNet-20 W32, every channel split in two:
replicated, with Gaussian noise, or permuted. `halve`: the other way, one of
each two channels kept. Compared at level 10; the published table does not name
its sparsity. `--config.scale=small`: widths 4 and 8, 8,000 images.
"""

from ml_collections import ConfigDict

from elth_jax.study.config import (
  GPU_CIFAR,
  PAPER_CIFAR,
  SMALL_CIFAR,
  base_config,
  choice,
)
from elth_jax.study.spec import Paper
from elth_jax.training.recipe import CIFAR_RESNET

DOUBLED = {
  'resnet20 dense': 93.71,
  'resnet20 imp at 10': 93.76,
  'resnet20 ett[widen replicate] at 10': 91.92,
  'resnet20 ett[widen gaussian] at 10': 92.12,
  'resnet20 ett[widen permute] at 10': 91.56,
}
HALVED = {'resnet20 imp at 10': 90.79, 'resnet20 ett[narrow] at 10': 87.73}
# title, widths of target and source, in the paper and at small scale; numbers
CHOICES = {
  'double': ('doubled', (32, 16), (8, 4), DOUBLED),
  'halve': ('halved', (16, 32), (4, 8), HALVED),
}


def get_config(way: str = 'double') -> ConfigDict:
  title, widths, small, published = choice('way', way, CHOICES)
  rules = [name for name in published if 'ett' in name]
  return base_config(
    **PAPER_CIFAR,
    sources=('resnet20',),
    targets=('resnet20',),
    methods=('imp', 'ett', 'random', 'reinit'),
    orders=tuple(rule[rule.index('[') + 1 : rule.index(']')] for rule in rules),
    width=widths[0],
    source_width=widths[1],
    recipe=CIFAR_RESNET,
    paper=Paper(
      title=f'E-LTH, earlier version, width {title}',
      question='Do tickets change their width as they change their depth?',
      claims=(
        'imp > ett at highest',
        'ett > random at highest',
        'ett > reinit at highest',
      ),
      published=tuple(
        f'{name}: {number}' for name, number in published.items()
      ),
    ),
    scales={
      'small': {**SMALL_CIFAR, 'width': small[0], 'source_width': small[1]},
      'gpu': GPU_CIFAR,
    },
  )
