"""Reads plain values, as configs have them, by the type hints of dataclasses.

A hint may be int, float, bool, str, None, `Any`, `Literal[...]`, a tuple
(`tuple[int, ...]` or `tuple[int, str]`), `Mapping[str, ...]`, a dataclass, a
text value, or a union with at most one tuple, mapping, dataclass or text value
in it. Nothing is converted but a whole number to float, a list to tuple, a
mapping to the dict or dataclass that is wanted, and a str to a text value.

A text value is of a class with `parse(text)`, which raises `ValueError`, and
`__str__`, which writes what `parse` reads. It is a value inside, and a str in
configs, JSON and on the command line.
"""

import dataclasses
import difflib
import functools
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from ml_collections import ConfigDict

from elth_jax.names import unknown

PLAIN = (int, float, bool, str, types.NoneType)


def build_from(
  cls: Any,
  values: Mapping[str, Any] | ConfigDict,
  prefix: str = '',
  others: Sequence[str] = (),
) -> Any:
  """A dataclass from plain values, each read by its field's type.

  Args:
    cls: the dataclass; fields may be dataclasses themselves.
    values: name -> value.
    prefix: of names in errors, e.g. `recipe.`.
    others: further keys that an error may suggest.

  Raises:
    ValueError: naming a key that is unknown, missing or of the wrong type.
    TypeError: if a field of the class has a type that cannot be read.
  """
  hints = _hints(cls)
  for key in values:
    if key not in hints:
      known = [*(prefix + name for name in hints), *others]
      raise ValueError(unknown('config key', f'{prefix}{key}', known))
  for name, hint in hints.items():
    if name not in values and name not in defaults(cls):
      raise ValueError(
        f'config key {prefix + name!r} is missing; give {_describe(hint)}'
      )
  read = {
    key: read_value(f'{prefix}{key}', value, hints[key])
    for key, value in values.items()
  }
  try:
    return cls(**read)
  except ValueError as error:
    if str(error).startswith(prefix):
      raise
    raise ValueError(f'{prefix.removesuffix(".")}: {error}') from error


def check_types(settings: Any, prefix: str = '') -> None:
  """Reads the fields of a dataclass by their types, for its `__post_init__`.

  What is made directly is then what `build_from` makes: a list that was given
  for a tuple becomes one, and so on.

  Raises:
    ValueError: naming a field of the wrong type.
    TypeError: if a field has a type that cannot be read.
  """
  for name, hint in _hints(type(settings)).items():
    value = read_value(prefix + name, getattr(settings, name), hint)
    object.__setattr__(settings, name, value)


def defaults(cls: Any) -> dict[str, Any]:
  """The fields of a dataclass that have a default, with their defaults."""
  found = {}
  for field in dataclasses.fields(cls):
    if field.default_factory is not dataclasses.MISSING:
      found[field.name] = field.default_factory()
    elif field.default is not dataclasses.MISSING:
      found[field.name] = field.default
  return found


def changed(value: Any, names: Iterable[str] | None = None) -> dict[str, Any]:
  """The fields of a dataclass that are not at their default, by name.

  Args:
    value: of the dataclass.
    names: the fields that count; all by default.
  """
  usual = defaults(type(value))
  if names is None:
    names = (field.name for field in dataclasses.fields(value))
  fields = {name: getattr(value, name) for name in names}
  return {
    name: field
    for name, field in fields.items()
    if name not in usual or field != usual[name]
  }


def plain(value: Any) -> Any:
  """Plain values at any depth.

  Mappings and dataclasses become dicts, sequences tuples, text values str.
  """
  if is_text_value(type(value)):
    return str(value)
  if dataclasses.is_dataclass(value) and not isinstance(value, type):
    value = {
      field.name: getattr(value, field.name)
      for field in dataclasses.fields(value)
    }
  if isinstance(value, Mapping | ConfigDict):
    return {key: plain(item) for key, item in value.items()}
  if isinstance(value, list | tuple):
    return tuple(plain(item) for item in value)
  return value


def as_json(value: Any) -> Any:
  """The value as JSON has it: as `plain`, with lists for tuples."""
  value = plain(value)
  if isinstance(value, dict):
    return {key: as_json(item) for key, item in value.items()}
  return [as_json(item) for item in value] if type(value) is tuple else value


def is_text_value(cls: Any) -> bool:
  """Whether values of a class are written as text; see the module."""
  return (
    isinstance(cls, type)
    and callable(getattr(cls, 'parse', None))
    and cls.__str__ is not object.__str__
  )


def merged(
  values: Mapping[str, Any], changes: Mapping[str, Any], prefix: str = ''
) -> dict[str, Any]:
  """Nested values with some of them changed.

  Args:
    values: name -> value, which may be a mapping or a dataclass.
    changes: the same, of those that change.
    prefix: of names in errors.

  Raises:
    ValueError: for a change inside a value that has no names.
  """
  new = dict(values)
  for name, change in changes.items():
    old, change = plain(new.get(name)), plain(change)
    if isinstance(change, dict) and old is not None:
      old = read_value(f'{prefix}{name}', old, Mapping[str, Any])
      change = merged(old, change, f'{prefix}{name}.')
    new[name] = change
  return new


def read_value(name: str, value: Any, hint: Any) -> Any:
  """A value as a type hint wants it.

  Args:
    name: the dotted key, for errors.
    value: as a config, JSON or a dataclass has it.
    hint: the type; see the module.

  Raises:
    ValueError: naming the key, what was found and what is expected.
    TypeError: naming the key, if the type is of a kind that cannot be read.
  """
  return _reader(name, hint)(name, value, hint)


@functools.cache
def _hints(cls: Any) -> dict[str, Any]:
  """The types of a dataclass's fields, each of a kind that can be read."""
  hints = get_type_hints(cls)
  names = [field.name for field in dataclasses.fields(cls) if field.init]
  for name in names:
    _reader(f'{cls.__name__}.{name}', hints[name])
  return {name: hints[name] for name in names}


def _reader(name: str, hint: Any) -> Callable[[str, Any, Any], Any]:
  """The function that reads values of a type."""
  origin, parts = _origin(hint), get_args(hint)
  if hint in PLAIN:
    return _read_plain
  if is_text_value(hint):
    return _read_text
  if dataclasses.is_dataclass(hint):
    return _read_dataclass
  if origin is Literal and all(type(part) in PLAIN for part in parts):
    return _read_literal
  known = origin in _READERS or hint is Any
  if origin is Mapping:
    known = parts[:1] == (str,)
  elif origin is Union:
    known = Any not in parts and sum(not _is_simple(p) for p in parts) <= 1
    # a str would be either
    known &= str not in parts or not any(map(is_text_value, parts))
  if not known:
    raise TypeError(
      f'{name}: values of type {hint} cannot be read; {__name__} says which '
      'types can'
    )
  for part in parts:
    if part is not ...:
      _reader(name, part)
  return _READERS.get(origin, _read_any)


def _read_any(name: str, value: Any, hint: Any) -> Any:
  del name, hint
  return plain(value)


def _read_plain(name: str, value: Any, hint: Any) -> Any:
  if type(value) is hint:
    return value
  # larger whole numbers may have no float that equals them
  if hint is float and type(value) is int and abs(value) <= 2**53:
    return float(value)
  raise _wrong(name, value, hint)


def _read_text(name: str, value: Any, hint: Any) -> Any:
  if isinstance(value, hint):
    return value
  if type(value) is not str:
    raise _wrong(name, value, hint)
  try:
    return hint.parse(value)
  except ValueError as error:
    if str(error).startswith((f'{name} ', f'{name}:')):
      raise
    raise ValueError(f'{name}: {error}') from error


def _read_literal(name: str, value: Any, hint: Any) -> Any:
  for choice in get_args(hint):
    if type(value) is type(choice) and value == choice:
      return value
  raise _wrong(name, value, hint)


def _read_dataclass(name: str, value: Any, hint: Any) -> Any:
  if isinstance(value, hint):
    return value
  if not isinstance(value, Mapping | ConfigDict):
    raise _wrong(name, value, hint)
  return build_from(hint, value, f'{name}.')


def _read_tuple(name: str, value: Any, hint: Any) -> tuple:
  if not isinstance(value, list | tuple):
    raise _wrong(name, value, hint)
  items = get_args(hint)
  if items[1:] == (...,):
    items = items[:1] * len(value)
  if len(items) != len(value):
    raise _wrong(name, value, hint)
  pairs = enumerate(zip(value, items, strict=True))
  return tuple(read_value(f'{name}[{n}]', v, item) for n, (v, item) in pairs)


def _read_mapping(name: str, value: Any, hint: Any) -> dict[str, Any]:
  named = isinstance(value, Mapping | ConfigDict)
  if not named or not all(isinstance(key, str) for key in value):
    raise _wrong(name, value, hint)
  item = get_args(hint)[1]
  return {k: read_value(f'{name}.{k}', v, item) for k, v in value.items()}


def _read_union(name: str, value: Any, hint: Any) -> Any:
  # the value's own type first, so that 1 stays an int where a float may be
  members = sorted(get_args(hint), key=lambda member: member is not type(value))
  for member in filter(_is_simple, members):
    try:
      return read_value(name, value, member)
    except ValueError:
      continue
  for member in members:
    is_text = is_text_value(member) and type(value) is str
    if not _is_simple(member) and (is_text or type(value) not in PLAIN):
      return read_value(name, value, member)
  raise _wrong(name, value, hint)


_READERS = {tuple: _read_tuple, Mapping: _read_mapping, Union: _read_union}


def _origin(hint: Any) -> Any:
  origin = get_origin(hint)
  return Union if origin is types.UnionType else origin


def _is_simple(hint: Any) -> bool:
  return hint in PLAIN or get_origin(hint) is Literal


def _wrong(name: str, value: Any, hint: Any) -> ValueError:
  """What to say of a value that is not of its type."""
  literals = [h for h in (hint, *get_args(hint)) if get_origin(h) is Literal]
  if not literals:
    return ValueError(
      f'config key {name!r}: expected {_describe(hint)}, got {value!r}'
    )
  choices = [c for h in literals for c in get_args(h) if isinstance(c, str)]
  nearest = difflib.get_close_matches(str(value), choices, n=1)
  advice = f'did you mean {nearest[0]!r}? ' if nearest else ''
  return ValueError(f'{name} is {value!r}; {advice}give {_describe(hint)}')


def _describe(hint: Any) -> str:
  """A type in words."""
  origin, parts = _origin(hint), get_args(hint)
  if is_text_value(hint):
    return f'{hint.__name__} as text'
  if dataclasses.is_dataclass(hint):
    return f'the fields of {hint.__name__}'  # pyrefly: ignore
  if origin is Literal:
    quoted = (p if str(p).isidentifier() else repr(p) for p in parts)
    return ' or '.join(map(str, quoted))
  if origin is Union:
    return ' or '.join(map(_describe, parts))
  if origin is Mapping:
    return f'a mapping of str to {_describe(parts[1])}'
  if origin is tuple and parts[1:] == (...,):
    return f'a tuple of {_describe(parts[0])}'
  if origin is tuple:
    return f'a tuple of ({", ".join(map(_describe, parts))})'
  if hint is types.NoneType:
    return 'None'
  return 'any value' if hint is Any else hint.__name__
