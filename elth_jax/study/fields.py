"""Plain values, as configs have them, turned into the fields of dataclasses."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from ml_collections import ConfigDict

from elth_jax.names import unknown


def build_from(
  cls: Any,
  values: dict[str, Any],
  prefix: str = '',
  others: Sequence[str] = (),
) -> Any:
  """A dataclass from plain values, each checked against its field.

  Args:
    cls: the dataclass; fields may be dataclasses themselves.
    values: name -> value; lists become tuples, mappings dicts.
    prefix: of names in errors, e.g. `recipe.`.
    others: further keys that an error may suggest.

  Raises:
    ValueError: naming a key that is unknown, missing or of the wrong type.
  """
  fields = {field.name: field for field in dataclasses.fields(cls)}
  for key in values:
    if key not in fields:
      known = [*(prefix + name for name in fields), *others]
      raise ValueError(unknown('config key', prefix + key, known))
  for name, field in fields.items():
    if name not in values:
      if _default(field) is dataclasses.MISSING:
        raise ValueError(f'config key {prefix + name!r} is missing')
      continue
    values[name] = _typed(prefix + name, values[name], field)
  return cls(**values)


def _default(field: dataclasses.Field) -> Any:
  if field.default_factory is not dataclasses.MISSING:
    return field.default_factory()
  return field.default


def defaults(cls: Any) -> dict[str, Any]:
  """The fields of a dataclass that have a default, with their defaults."""
  found = {field.name: _default(field) for field in dataclasses.fields(cls)}
  return {k: v for k, v in found.items() if v is not dataclasses.MISSING}


def _nested(name: str, value: Any, cls: Any) -> Any:
  """A part of the config with fields of its own, e.g. `recipe`."""
  if isinstance(value, cls):
    return value
  if not isinstance(value, Mapping | ConfigDict):
    raise ValueError(
      f'config key {name!r}: expected the fields of {cls.__name__}, got '
      f'{value!r}'
    )
  return build_from(cls, dict(value), f'{name}.')


def merged(
  values: Mapping[str, Any], changes: Mapping[str, Any]
) -> dict[str, Any]:
  """Nested values with some of them changed."""
  new = dict(values)
  for name, value in changes.items():
    old = plain(new.get(name))
    nested = isinstance(value, Mapping) and isinstance(old, dict)
    new[name] = merged(old, value) if nested else value
  return new


def plain(value: Any) -> Any:
  """Mappings and dataclasses as dicts, sequences as tuples, at any depth."""
  if dataclasses.is_dataclass(value) and not isinstance(value, type):
    value = dataclasses.asdict(value)
  if isinstance(value, Mapping | ConfigDict):
    return {key: plain(item) for key, item in value.items()}
  return tuple(value) if isinstance(value, list | tuple) else value


def _typed(name: str, value: Any, field: dataclasses.Field) -> Any:
  """Checks a value against the field's type; lists become tuples."""
  text = str(field.type)
  if dataclasses.is_dataclass(field.type):
    return _nested(name, value, field.type)
  if 'Mapping' in text:
    if isinstance(value, Mapping | ConfigDict):
      return plain(value)
    raise ValueError(
      f'config key {name!r}: expected names and values, got {value!r}'
    )
  if 'tuple' in text:
    item = int if 'int' in text else str
    if isinstance(value, list | tuple) and all(type(v) is item for v in value):
      return tuple(value)
    raise ValueError(
      f'config key {name!r}: expected a tuple of {item.__name__}, got {value!r}'
    )
  default = field.default
  wanted = type(default) if default is not dataclasses.MISSING else None
  if wanted is float and type(value) is int:
    return float(value)
  if wanted is None and field.type is str:
    wanted = str
  if wanted is not None and type(value) is not wanted:
    raise ValueError(
      f'config key {name!r}: expected {wanted.__name__}, got {value!r}'
    )
  return value
