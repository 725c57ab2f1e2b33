"""E-LTH, table 6: ResNets' tickets between SVHN and CIFAR-10.

  TFDS_DATA_DIR=... python -m elth_jax.main \
    --config=experiments/elth_table6.py:cifar10 --workdir=runs/table6

ResNet-20's ticket of the other data set is trained on the one named (`cifar10`
or `svhn_cropped`) as it is, and stretched to ResNet-32.
The ticket found on the data set itself is stretched too.
`--config.scale=small`: a quarter as wide, on 10,000 images of 16 pixels, 89.3%
sparsity, with Fashion-MNIST in SVHN's place, three replicates; 16 minutes on
two cores, and eight for the other data set, which takes ResNet-20 from the
first. Another three decided more.
`--config.scale=gpu`: the same networks at full width, 25,000 images of 16
pixels, 89.3% sparsity, 32 epochs in bfloat16, four replicates; some three
minutes of an H100, by what ResNet-20 took there.
"""

import dataclasses
from typing import Any

from ml_collections import ConfigDict

from elth_jax.datasets import pretty
from elth_jax.papers.scales import GPU_SMALL_IMAGES, SMALL_CIFAR
from elth_jax.study.claims import Claim, alike, better
from elth_jax.study.config import base_config, choice
from elth_jax.study.published import published
from elth_jax.study.spec import Paper
from elth_jax.training.recipe import CIFAR_RESNET

# data set -> IMP and tickets of the other data set on ResNet-20 and 32, in %;
# its own ticket of ResNet-20 on ResNet-32
CHOICES = {
  'cifar10': ((91.07, 92.22), (87.21, 88.67), 91.38),
  'svhn_cropped': ((95.95, 96.32), (95.44, 95.79), 96.00),
}
TARGETS = ('resnet20', 'resnet32')
AT = 0.8926  # sparsity


def get_config(dataset: str = 'cifar10') -> ConfigDict:
  own, moved, deeper = choice('data set', dataset, CHOICES)
  (source,) = CHOICES.keys() - {dataset}
  return base_config(
    dataset=dataset,
    source_datasets=(dataset, source),
    sources=('resnet20',),
    targets=TARGETS,
    methods=('imp', 'ett'),
    levels=10,
    compare_levels=(10,),  # 89.3% sparsity
    replicates=3,
    imagenet_normalization=True,  # as the published runs did
    recipe=CIFAR_RESNET,
    paper=Paper(
      title=title_of(dataset, source),
      question='Do tickets stretch across data sets as well as depths?',
      claims=claims_of(dataset, source),
      published=(
        *(
          published(target, method, number, at=AT)
          for method, numbers in (('imp', own), (f'ett from {source}', moved))
          for target, number in zip(TARGETS, numbers, strict=True)
        ),
        published('resnet32', f'ett from {dataset}', deeper, at=AT),
      ),
    ),
    scales={
      'small': {
        **SMALL_CIFAR,
        **without_svhn(dataset, source),
        'prune_fraction': 0.525,
        'replicates': 3,
      },
      'gpu': {**GPU_SMALL_IMAGES, 'prune_fraction': 0.525},
    },
  )


def title_of(dataset: str, source: str) -> str:
  return f'E-LTH, table 6, {pretty(source)} to {pretty(dataset)}'


def claims_of(dataset: str, source: str) -> tuple[Claim, ...]:
  far, near = f'ett from {source}', f'ett from {dataset}'
  if dataset == 'cifar10':
    return (
      # what changing the data set costs, and then the depth too
      alike(
        'imp', far, 1, AT, 'resnet32', against='resnet20', where='claim 70'
      ),
      better('imp', far, AT, everywhere=True, where='claim 71'),
      better('imp', near, AT, 'resnet32', where='claim 71'),
      better(near, far, AT, 'resnet32', where='claim 71'),
    )
  return (
    alike('imp', near, 0.5, AT, where='claim 69'),
    better('imp', far, AT, where='claim 71'),
  )


def without_svhn(dataset: str, source: str) -> dict[str, Any]:
  """What changes where Fashion-MNIST takes SVHN's place.

  What is claimed of SVHN is no claim of the paper there.
  """
  dataset, source = (
    name.replace('svhn_cropped', 'fashion_mnist') for name in (dataset, source)
  )
  return {
    'dataset': dataset,
    'source_datasets': (dataset, source),
    'paper': {
      'title': title_of(dataset, source),
      'claims': [
        dataclasses.replace(claim, where='')
        for claim in claims_of(dataset, source)
      ],
      'published': (),
    },
  }
