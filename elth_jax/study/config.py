"""Configs for the command line: every knob present, so that each can be set.

A config may come in several scales: `scale='paper'` is the config as it is
written, any other one changes the fields that `scales` has under its name.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from elth_jax.study.scale import PAPER
from elth_jax.study.spec import RunOptions, StudySpec, defaults, read_config
from elth_jax.training.recipe import Recipe

# E-LTH's studies on CIFAR-10
PAPER_CIFAR = {
  'dataset': 'cifar10',
  'levels': 13,
  'compare_levels': (2, 6, 10, 13),  # 36%, 73.8%, 89.3% and 94.5% sparsity
  'replicates': 3,
  'imagenet_normalization': True,  # as the published runs did
}
# ResNets on a part of CIFAR-10, a quarter as wide; figure 6 in an hour, 2 cores
SMALL_CIFAR = {
  'train_examples': 8_000,
  'width': 4,  # channels of the first stage; 16 in the paper
  'levels': 3,
  'compare_levels': (3,),  # 93.6% sparsity
  'prune_fraction': 0.6,  # of what is left; 0.2 in the paper
  'recipe': {
    'batch_size': 64,
    'epochs': 6,
    'drop_epochs': (4, 5),
    'rewind_step': 0,
    'rewind_epochs': 1,
  },
}
# the whole network and data, a quarter of the training, every second level
GPU_CIFAR = {
  'levels': 5,
  'compare_levels': (3, 5),  # 73.8% and 89.3% sparsity
  'prune_fraction': 0.36,  # two levels of the paper in one
  'recipe': {'epochs': 40, 'drop_epochs': (20, 30), 'rewind_step': 250},
}
# the smaller scales of a study that stretches one ResNet to another
ONE_STRETCH = {
  'small': {
    **SMALL_CIFAR,
    'sources': ('resnet14',),
    'targets': ('resnet20',),
  },
  'gpu': {**GPU_CIFAR, 'sources': ('resnet20',), 'targets': ('resnet32',)},
}


def base_config(
  recipe: Recipe,
  scales: Mapping[str, Mapping[str, Any]] | None = None,
  **values,
) -> ConfigDict:
  """A config with `recipe`, the given fields, and defaults for the others.

  Args:
    recipe: how networks are trained; `--config.recipe.epochs=...` overrides.
    scales: scale -> the fields that it changes, nested as the config is.
    **values: fields of `StudySpec` and `RunOptions`, by name.

  Raises:
    ValueError: if a field is unknown, missing or of the wrong type, at any
      scale.
  """
  config: dict[str, Any] = {'recipe': recipe}
  config |= {**defaults(StudySpec), **defaults(RunOptions), **values}
  for name, value in config.items():
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
      config[name] = dataclasses.asdict(value)
  config |= {'scale': PAPER, 'scales': dict(scales or {})}
  for scale in (PAPER, *config['scales']):
    read_config({**config, 'scale': scale})
  return ConfigDict(config)
