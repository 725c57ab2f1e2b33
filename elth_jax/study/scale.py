"""Scales: one config for the paper's size of a study, and for smaller ones."""

from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from elth_jax.names import unknown
from elth_jax.reading import merged, plain, read_value
from elth_jax.study.presets import apply_preset

PAPER = 'paper'
Scales = Mapping[str, Mapping[str, Any]]  # scale -> the fields it changes


def scaled(
  config: Mapping[str, Any] | ConfigDict, given: Mapping[str, Any] | None = None
) -> dict[str, Any]:
  """The config at the scale that it names, without the others.

  Args:
    config: of `base_config`; one without scales is returned as it is.
    given: dotted name -> value: what a person set, which no scale changes.

  Raises:
    ValueError: if the config is no mapping, if there is no such scale, or if
      one changes, or a person set, fields of a value that has none.
  """
  values = plain(config)
  if not isinstance(values, dict):
    raise ValueError(
      f'the config is {values!r:.80}; give the fields of a study: what '
      'base_config(...) or study.shipped.load_shipped(NAME) returns'
    )
  scale, scales = values.pop('scale', None), values.pop('scales', {})
  if scale is None:
    return values
  scale = read_value('scale', scale, str)
  scales = read_value('scales', scales, Scales)
  if scale != PAPER:
    if scale not in scales:
      raise ValueError(unknown('scale', scale, (PAPER, *scales)))
    values = merged(values, scales[scale])
  given = dict(given or {})
  if 'published' in given:
    values['published'] = given.pop('published')
  values = apply_preset(values)  # what a person set otherwise stays
  for name, value in given.items():
    if name not in ('scale', 'scales') and not name.startswith('scales.'):
      _set(values, name.split('.'), value)
  _set(values, ['paper', 'scale'], scale)
  return values


def _set(values: dict[str, Any], path: list[str], value: Any) -> None:
  for depth, name in enumerate(path[:-1], 1):
    values = values.setdefault(name, {})
    read_value('.'.join(path[:depth]), values, Mapping[str, Any])
  values[path[-1]] = value
