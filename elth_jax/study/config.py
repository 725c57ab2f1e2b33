"""Configs for the command line: every knob present, so that each can be set.

A config may come in several scales: `scale='paper'` is the config as it is
written, any other one changes the fields that `scales` has under its name.
"""

from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from elth_jax.names import unknown
from elth_jax.reading import defaults, plain
from elth_jax.study.scale import PAPER
from elth_jax.study.spec import (
  RunOptions,
  StudySpec,
  read_config,
)
from elth_jax.training.recipe import Recipe


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
