"""OneTicket's studies: their settings, scales, data sets and claims."""

from typing import Any

from ml_collections import ConfigDict

from elth_jax.papers.scales import (
  DIGITS_VGG,
  DIGITS_VGG_CROPS,
  FOUR_LEVELS,
  GPU_SMALL_IMAGES,
  SHORT_CIFAR,
  SMALL_CIFAR,
  scaled_recipe,
)
from elth_jax.study.claims import Claim, alike, better, no_worse
from elth_jax.study.config import base_config, choice
from elth_jax.study.spec import Paper
from elth_jax.training.recipe import ONETICKET_RESNET50, ONETICKET_VGG19

# OneTicket's studies: late resetting, evaluated to the sixth level and at every
# third after it, random tickets beside
ONETICKET = {
  'methods': ('imp', 'ett', 'reinit_global'),
  'levels': 30,
  'compare_levels': (1, 2, 3, 4, 5, 6, *range(9, 31, 3)),
  'replicates': 6,
}
ONETICKET_SCALES = {
  'small': {
    **SMALL_CIFAR,
    **FOUR_LEVELS,
    'replicates': 4,
    'recipe': scaled_recipe(36, batch_size=64, rewind_epochs=3),
    'analyses': {'doubled': True},
  },
  'short': {
    **SHORT_CIFAR,
    'train_examples': 25_000,
    'width': 8,
    'replicates': 2,
  },
  'gpu': GPU_SMALL_IMAGES,
  'digits': {
    **DIGITS_VGG,
    **FOUR_LEVELS,
    'analyses': {'doubled': True},
  },
  'digits_crops': {**DIGITS_VGG_CROPS, 'compare_levels': (1, 3)},
}
ONETICKET_NETWORKS = {
  'vgg19': ('oneticket_vgg19', ONETICKET_VGG19),
  'resnet50': ('oneticket_resnet50', ONETICKET_RESNET50),
}
LARGE = ('imagenet2012', 'places365_small')  # reset to epoch 3, others to 1
SIX_DATASETS = {  # name -> title
  'fashion_mnist': 'Fashion-MNIST',
  'svhn_cropped': 'SVHN',
  'cifar10': 'CIFAR-10',
  'cifar100': 'CIFAR-100',
  'imagenet2012': 'ImageNet',
  'places365_small': 'Places365',
}
PANELS = {**SIX_DATASETS, 'mnist': 'MNIST'}  # and one that the paper has not
# scale -> the small data sets whose tickets move between each other
MOVED_BETWEEN = {
  'small': ('fashion_mnist', 'mnist', 'cifar10'),
  'short': ('fashion_mnist', 'cifar10'),
  'gpu': ('fashion_mnist', 'mnist', 'cifar10'),
}


def oneticket_transfer(network: str, dataset: str, figure: int) -> ConfigDict:
  """One panel of OneTicket's figures 3 and 4.

  Args:
    network: `vgg19` or `resnet50`.
    dataset: what tickets are trained on, of `PANELS`.
    figure: its number.

  Raises:
    ValueError: if the data set is none of these.

  References:
    Morcos et al. 2019, figures 3 and 4.
  """
  name, recipe = ONETICKET_NETWORKS[network]
  title = choice('data set', dataset, PANELS)
  large = dataset in LARGE
  others = LARGE if large else SIX_DATASETS  # large sets: from large ones only
  return base_config(
    **ONETICKET,
    dataset=dataset,
    source_datasets=tuple(one for one in others if one != dataset),
    sources=(name,),
    targets=(name,),
    recipe=recipe,
    recipe_on=_recipes_on(dataset, rewind_epochs=3),
    paper=Paper(
      title=f'OneTicket, figure {figure}, {title}',
      question='Do winning tickets transfer across data sets?',
      claims=transfer_claims(network, dataset),
    ),
    scales={
      scale: {
        **ONETICKET_SCALES[scale],
        'source_datasets': tuple(one for one in moved if one != dataset),
        'recipe_on': _recipes_on(dataset, *moved, rewind_epochs=1),
      }
      for scale, moved in MOVED_BETWEEN.items()
    },
  )


def _recipes_on(*datasets: str, rewind_epochs: int) -> dict[str, Any]:
  """What data sets change of a recipe: large ones are rewound to a later epoch.

  A mirrored digit is no digit.
  """
  large = {one: {'rewind_epochs': rewind_epochs} for one in LARGE}
  digits = {'mnist': {'flip': False}} if 'mnist' in datasets else {}
  return {**large, **digits}


def transfer_claims(network: str, dataset: str) -> tuple[Claim, ...]:
  """What OneTicket's figures 3 and 4 claim of one panel."""
  if dataset not in SIX_DATASETS:  # the same, but no claim of the paper
    return (better('ett', 'reinit_global', above=0.9),)
  large = [one for one in LARGE if one != dataset]
  small = ('fashion_mnist', 'svhn_cropped', 'cifar10')
  figure = 'claim 90' if network == 'vgg19' else 'claim 95'
  claims = [
    better('ett', 'reinit_global', above=0.9, where=figure),
    *(
      no_worse(f'ett from {one}', 'imp', 1, above=0.5, where='claim 91')
      for one in large
    ),
  ]
  if dataset not in LARGE:
    claims += [
      better(
        f'ett from {one}', f'ett from {other}', above=0.9, where='claim 92'
      )
      for one in large
      for other in small
      if other != dataset
    ]
  if dataset not in (*LARGE, 'cifar10', 'cifar100'):
    claims.append(
      better(
        'ett from cifar100', 'ett from cifar10', above=0.9, where='claim 93'
      )
    )
  if dataset == 'fashion_mnist':
    claims.append(better('ett', 'imp', below=0.6, where='claim 94'))
  if network == 'resnet50':  # a cliff at high sparsity on large sets alone
    cliff = (
      better('drop_imp', 5, at='highest', where='claim 96')
      if dataset in LARGE
      else alike('drop_imp', 0, within=5, at='highest', where='claim 96')
    )
    claims.append(cliff)
  return tuple(claims)
