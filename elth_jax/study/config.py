"""Configs for the command line: every knob present, so that each can be set.

A config may come in several scales: `scale='paper'` is the config as it is
written, any other one changes the fields that `scales` has under its name.
"""

from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from elth_jax.names import unknown
from elth_jax.reading import defaults, plain
from elth_jax.study.claims import Claim, alike, better, no_worse
from elth_jax.study.scale import PAPER
from elth_jax.study.spec import (
  Paper,
  RunOptions,
  StudySpec,
  read_config,
)
from elth_jax.training.recipe import ONETICKET_RESNET50, ONETICKET_VGG19, Recipe

# E-LTH's studies on CIFAR-10, at all of its sparsities
PAPER_CIFAR = {
  'dataset': 'cifar10',
  'levels': 13,
  'compare_levels': tuple(range(1, 14)),  # 20% to 94.5% sparsity
  'replicates': 3,
  'imagenet_normalization': True,  # as the published runs did
}
HIGH = 0.945  # sparsity, where the figures tell methods apart


def _recipe(epochs: int, **others: Any) -> dict[str, Any]:
  """What smaller scales change of a recipe; others go by their names.

  The learning rate drops after two thirds and five sixths of the epochs.
  """
  return {
    'epochs': epochs,
    'drop_epochs': (2 * epochs // 3, 5 * epochs // 6),
    'rewind_step': 0,
    'rewind_epochs': 1,
    'crop_padding': 0,
    **others,
  }


# ResNets a quarter as wide on a few small images, trained until twice the
# epochs gain dense networks less than a point
SMALL = {
  'width': 4,  # channels of the first stage; 16 in the paper
  'levels': 3,
  'compare_levels': (3,),
  'prune_fraction': 0.62,  # of what is left; 94.5% sparsity in three levels
}
SMALL_CIFAR = {
  **SMALL,
  'image_size': 16,
  'train_examples': 10_000,
  'recipe': _recipe(54, batch_size=64, rewind_epochs=3),
}
# grey images, which train faster and spread less
SMALL_FASHION = {
  **SMALL,
  'dataset': 'fashion_mnist',
  'image_size': 14,
  'train_examples': 15_000,
  'replicates': 8,
  'recipe': _recipe(36, rewind_epochs=3),
}
# all images, a few epochs of them; twice as many gain dense ResNets a point on
# Fashion-MNIST and five on CIFAR-10
SHORT_CIFAR = {
  **SMALL,
  'image_size': 16,
  'recipe': _recipe(12, crop_padding=2),
}
SHORT_FASHION = {**SHORT_CIFAR, 'dataset': 'fashion_mnist', 'image_size': 14}
# whole networks and all images, a fifth of the training: an H100 trains four
# ResNet-20 side by side in a minute (docs/accelerators.md)
GPU_CIFAR = {
  'levels': 3,
  'compare_levels': (3,),
  'prune_fraction': 0.62,  # of what is left; 94.5% sparsity in three levels
  'replicates': 4,
  'recipe': {
    'epochs': 32,
    'drop_epochs': (16, 24),
    'rewind_step': 250,
    'dtype': 'bfloat16',
  },
}
# a mirrored digit is no digit
DIGITS_BATCHES = {'batch_size': 32, 'flip': False}
# ResNets on handwritten digits of 8 pixels, which come with scikit-learn: whole
# ladders in minutes of two cores, until twice the epochs gain dense networks
# less than a point; but 360 test images. Wider sparse networks all reach 97%,
# which hides what tells them apart
DIGITS = {
  **SMALL,
  'width': 2,
  'dataset': 'digits',
  'imagenet_normalization': False,
  'replicates': 8,
  'recipe': _recipe(24, **DIGITS_BATCHES),
}
# twice as wide, with random crops, which take longer to learn: twice the epochs
# gain dense networks about a point
DIGITS_CROPS = {
  **DIGITS,
  'width': 4,
  'recipe': _recipe(36, crop_padding=1, **DIGITS_BATCHES),
}
# a third of that training; twice the epochs gain dense ResNets 2 to 6 points
DIGITS_SHORT = {
  **DIGITS_CROPS,
  'recipe': _recipe(12, crop_padding=1, **DIGITS_BATCHES),
}
# VGGs, whose pooling needs larger images; they learn more slowly too. Twice as
# wide, they and most sparse networks reach 99%
DIGITS_VGG = {
  **DIGITS,
  'image_size': 16,
  'width': 4,
  'recipe': _recipe(48, **DIGITS_BATCHES),
}
# twice as wide, a quarter of that training, with random crops; twice the epochs
# gain dense VGGs up to 11 points
DIGITS_VGG_CROPS = {**DIGITS_SHORT, 'image_size': 16, 'width': 8}
# the smaller scales of a study that stretches one ResNet to another
ONE_STRETCH = {
  'small': {
    **SMALL_FASHION,
    'sources': ('resnet14',),
    'targets': ('resnet20',),
  },
  'gpu': {**GPU_CIFAR, 'sources': ('resnet20',), 'targets': ('resnet32',)},
  'digits': {**DIGITS, 'compare_levels': (1, 3)},  # 62% and 94.5% sparsity
  'digits_crops': {**DIGITS_CROPS, 'compare_levels': (1, 3)},
}
# four levels to the same sparsity: 51.6%, where little is pruned, and 94.5%
FOUR_LEVELS = {
  'levels': 4,
  'compare_levels': (1, 4),
  'prune_fraction': 0.516,  # of what is left
}
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
    'recipe': _recipe(36, batch_size=64, rewind_epochs=3),
    'analyses': {'doubled': True},
  },
  'short': {
    **SHORT_CIFAR,
    'train_examples': 25_000,
    'width': 8,
    'replicates': 2,
  },
  'gpu': GPU_CIFAR,
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
      **{
        scale: {
          **ONETICKET_SCALES[scale],
          'source_datasets': tuple(one for one in moved if one != dataset),
          'recipe_on': _recipes_on(dataset, *moved, rewind_epochs=1),
        }
        for scale, moved in MOVED_BETWEEN.items()
      },
      'gpu': {
        **ONETICKET_SCALES['gpu'],
        **({'image_size': 32} if large else {}),
        'source_datasets': tuple(
          one for one in SIX_DATASETS if one not in (*LARGE, dataset)
        ),
      },
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


def choice(what: str, name: str, choices: Mapping[str, Any]) -> Any:
  """What a config's argument stands for, as in `--config=FILE.py:NAME`.

  Raises:
    ValueError: listing the names, if it is none of them.
  """
  if name not in choices:
    raise ValueError(unknown(what, name, choices))
  return choices[name]


def base_config(
  recipe: Recipe,
  scales: Mapping[str, Mapping[str, Any]] | None = None,
  **values,
) -> ConfigDict:
  """A config with `recipe`, the given fields, and defaults for the others.

  Args:
    recipe: how networks are trained; `--config.recipe.epochs=...` overrides.
    scales: scale -> the fields that it changes, nested as the config is.
    **values: fields of `StudySpec` and `RunOptions`, by name; and
      `published=True` for all that the published runs did (see `presets`).

  Raises:
    ValueError: if a field is unknown, missing or of the wrong type, at any
      scale.
  """
  config: dict[str, Any] = {'recipe': recipe}
  config |= {**defaults(StudySpec), **defaults(RunOptions), **values}
  config = {'published': False, **plain(config)}
  config |= {'scale': PAPER, 'scales': plain(scales or {})}
  for scale in (PAPER, *config['scales']):
    read_config({**config, 'scale': scale})
  return ConfigDict(config)
