"""Configs for the command line: every knob present, so that each can be set."""

import dataclasses
from typing import Any

from ml_collections import ConfigDict

from elth_jax.study.spec import RunOptions, StudySpec, read_config
from elth_jax.training.recipe import Recipe


def base_config(recipe: Recipe, **values) -> ConfigDict:
  """A config with `recipe`, the given fields, and defaults for the others.

  Args:
    recipe: how networks are trained; `--config.recipe.epochs=...` overrides.
    **values: fields of `StudySpec` and `RunOptions`, by name.

  Raises:
    ValueError: if a field is unknown, missing or of the wrong type.
  """
  config: dict[str, Any] = {'recipe': recipe}
  for cls in (StudySpec, RunOptions):
    for field in dataclasses.fields(cls):
      if field.default is not dataclasses.MISSING:
        config[field.name] = field.default
  config.update(values)
  for name, value in config.items():
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
      config[name] = dataclasses.asdict(value)
  read_config(config)
  return ConfigDict(config)
