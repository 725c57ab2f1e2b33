"""Configs read by type hints: each kind of type, right and wrong."""

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any, Literal, Optional, get_args, get_origin

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ml_collections import ConfigDict

from elth_jax.reading import (
  as_json,
  build_from,
  check_types,
  defaults,
  merged,
  plain,
  read_value,
)


@dataclasses.dataclass(frozen=True)
class Part:
  points: int = 3
  names: tuple[str, ...] = ()
  mode: Literal['fast', 'slow'] = 'fast'

  def __post_init__(self):
    if self.points < 0:
      raise ValueError(f'points is {self.points}; it must be at least 0')


@dataclasses.dataclass(frozen=True)
class Inner:
  part: Part = Part()
  rate: float = 0.5


@dataclasses.dataclass(frozen=True)
class Span:
  """A text value: `3-5`."""

  first: int
  last: int

  @classmethod
  def parse(cls, text: str) -> 'Span':
    first, hyphen, last = text.partition('-')
    if not (hyphen and first.isdecimal() and last.isdecimal()):
      raise ValueError(f'span {text!r}; write e.g. 3-5')
    return cls(int(first), int(last))

  def __str__(self) -> str:
    return f'{self.first}-{self.last}'


@dataclasses.dataclass(frozen=True)
class Whole:
  count: int
  rate: float
  on: bool
  name: str
  mode: Literal['fast', 'slow', 1]
  numbers: tuple[float, ...]
  pair: tuple[int, str]
  perhaps: int | None
  either: int | float | str
  some: tuple[int, ...] | None
  part: Part | None
  inner: Inner = Inner()
  table: Mapping[str, Mapping[str, float]] = dataclasses.field(
    default_factory=dict
  )
  parts: Mapping[str, Part] = dataclasses.field(default_factory=dict)
  open: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  span: Span = Span(0, 1)
  spans: tuple[Span, ...] = ()
  maybe: Span | None = None


def same(found, wanted):
  """Equal, and of the same types at any depth."""
  return found == wanted and repr(found) == repr(wanted)


@pytest.mark.parametrize(
  ('hint', 'value', 'wanted'),
  [
    (int, -3, -3),
    (int, 10**30, 10**30),
    (float, 2.5, 2.5),
    (float, 2, 2.0),
    (bool, False, False),
    (str, '', ''),
    (None | int, None, None),
    (tuple[int, ...], [1, 2], (1, 2)),
    (tuple[int, ...], (), ()),
    (tuple[float, ...], [1, 0.5], (1.0, 0.5)),
    (tuple[str, ...], ('a',), ('a',)),
    (tuple[int, str], [1, 'a'], (1, 'a')),
    (tuple[tuple[int, ...], ...], [[1], []], ((1,), ())),
    (Literal['a', 'b'], 'b', 'b'),
    (Literal[1, 'b'], 1, 1),
    (int | None, 3, 3),
    (float | None, 3, 3.0),
    (Optional[str], 'a', 'a'),  # noqa: UP045
    (int | float, 3, 3),
    (float | int, 3, 3),
    (float | str, 3, 3.0),
    (bool | int, 1, 1),
    (int | bool, True, True),
    (Literal['auto'] | int, 4, 4),
    (Literal['auto'] | int, 'auto', 'auto'),
    (tuple[int, ...] | None, [1], (1,)),
    (Mapping[str, int], ConfigDict({'a': 1}), {'a': 1}),
    (Mapping[str, Mapping[str, float]], {'a': {'b': 1}}, {'a': {'b': 1.0}}),
    (Mapping[str, Any], {'a': [{'b': [1]}]}, {'a': ({'b': (1,)},)}),
    (Any, None, None),
    (Part, {}, Part()),
    (Part, ConfigDict({'points': 1, 'names': ('a',)}), Part(1, ('a',))),
    (Part, Part(2), Part(2)),
    (Part | None, {'points': 1}, Part(1)),
    (Part | None, None, None),
    (Mapping[str, Part], {'a': {'points': 1}}, {'a': Part(1)}),
    (Inner, {'part': {'mode': 'slow'}}, Inner(Part(mode='slow'))),
    (Span, '3-5', Span(3, 5)),
    (Span, Span(3, 5), Span(3, 5)),
    (tuple[Span, ...], ['3-5', Span(1, 2)], (Span(3, 5), Span(1, 2))),
    (Span | None, '3-5', Span(3, 5)),
    (Span | None, None, None),
    (Span | int, 3, 3),
    (Mapping[str, Span], {'a': '3-5'}, {'a': Span(3, 5)}),
    (Any, Span(3, 5), '3-5'),
  ],
)
def test_values_of_their_types(hint, value, wanted):
  assert same(read_value('key', value, hint), wanted)


@pytest.mark.parametrize(
  ('hint', 'value', 'message'),
  [
    (int, '3', "config key 'key': expected int, got '3'"),
    (int, True, "config key 'key': expected int, got True"),
    (int, 2.0, "config key 'key': expected int, got 2.0"),
    (int, None, "config key 'key': expected int, got None"),
    (float, '1', "config key 'key': expected float, got '1'"),
    (float, True, "config key 'key': expected float, got True"),
    (float, 2**53 + 1, 'expected float, got 9007199254740993'),
    (float, 10**400, 'expected float, got 1000'),
    (bool, 1, "config key 'key': expected bool, got 1"),
    (bool, 'true', "config key 'key': expected bool, got 'true'"),
    (str, 3, "config key 'key': expected str, got 3"),
    (tuple[int, ...], 3, 'expected a tuple of int, got 3'),
    (tuple[str, ...], 'ab', "expected a tuple of str, got 'ab'"),
    (tuple[str, ...], {'a': 1}, "expected a tuple of str, got {'a': 1}"),
    (tuple[int, ...], [1, 2.5], "config key 'key[1]': expected int, got 2.5"),
    (
      tuple[float, ...],
      [True],
      "config key 'key[0]': expected float, got True",
    ),
    (tuple[int, str], [1], 'expected a tuple of (int, str), got [1]'),
    (tuple[int, str], [1, 'a', 2], 'expected a tuple of (int, str), got'),
    (tuple[int, str], [1, 2], "config key 'key[1]': expected str, got 2"),
    (tuple[tuple[int, ...], ...], [[], ['a']], "'key[1][0]': expected int"),
    (Literal['red', 'green'], 'grene', "key is 'grene'; did you mean 'green'?"),
    (Literal['red', 'green'], 'x', "key is 'x'; give red or green"),
    (Literal['', 'a-b', 1], 2, "key is 2; give '' or 'a-b' or 1"),
    (Literal[1], True, 'key is True; give 1'),
    (Literal[True], 1, 'key is 1; give True'),
    (Literal['auto'] | int, 'atuo', "did you mean 'auto'? give auto or int"),
    (int | None, '3', "config key 'key': expected int or None, got '3'"),
    (int | str, 2.5, "config key 'key': expected int or str, got 2.5"),
    (tuple[int, ...] | None, 'a', "expected a tuple of int or None, got 'a'"),
    (tuple[int, ...] | None, [1, 'a'], "'key[1]': expected int, got 'a'"),
    (Mapping[str, int], 3, 'expected a mapping of str to int, got 3'),
    (
      Mapping[str, int],
      {'a': '1'},
      "config key 'key.a': expected int, got '1'",
    ),
    (Mapping[str, int], {1: 1}, 'expected a mapping of str to int, got {1: 1}'),
    (Mapping[str, Mapping[str, int]], {'a': {'b': 1.5}}, "'key.a.b': expected"),
    (Mapping[str, Any], [1], 'expected a mapping of str to any value, got [1]'),
    (Part, 3, "config key 'key': expected the fields of Part, got 3"),
    (Part, Inner(), "config key 'key': expected the fields of Part, got Inner"),
    (Part, {'pionts': 1}, "'key.pionts'; did you mean 'key.points'?"),
    (Part, {1: 1}, "unknown config key 'key.1'; "),
    (Part, {'points': -1}, 'key: points is -1; it must be at least 0'),
    (Part | None, {'points': 'a'}, "config key 'key.points': expected int"),
    (Part | None, 3, 'expected the fields of Part or None, got 3'),
    (
      Mapping[str, Part],
      {'a': {'names': 'b'}},
      "'key.a.names': expected a tup",
    ),
    (
      Inner,
      {'part': {'mode': 'fsat'}},
      "key.part.mode is 'fsat'; did you mean",
    ),
    (Span, 'three', "key: span 'three'; write e.g. 3-5"),
    (Span, 35, "config key 'key': expected Span as text, got 35"),
    (Span, {'first': 3}, 'expected Span as text, got {'),
    (tuple[Span, ...], ['3-5', '3'], "key[1]: span '3'; write"),
    (tuple[Span, ...], '3-5', "expected a tuple of Span as text, got '3-5'"),
    (Span | None, 'three', "key: span 'three'"),
    (Span | None, 3, 'expected Span as text or None, got 3'),
    (
      Inner,
      {'part': {'names': [0]}},
      "'key.part.names[0]': expected str, got 0",
    ),
  ],
)
def test_values_of_other_types_are_refused(hint, value, message):
  with pytest.raises(ValueError) as error:
    read_value('key', value, hint)
  assert message in str(error.value)


JSON = st.recursive(
  st.none()
  | st.booleans()
  | st.integers(-3, 3)
  | st.sampled_from([0.0, 1.0, 2.5])
  | st.sampled_from(['', '1', 'a', 'True', 'None']),
  lambda values: (
    st.lists(values, max_size=2)
    | st.dictionaries(st.sampled_from('ab'), values, max_size=2)
  ),
  max_leaves=4,
)
SIMPLE = [int, float, bool, str, None, Literal['a', '1'], Literal[1]]
HINTS = st.recursive(
  st.sampled_from(SIMPLE[:4]),
  lambda hints: st.one_of(
    hints.map(lambda hint: tuple[hint, ...]),
    st.tuples(hints, hints).map(lambda pair: tuple[pair]),
    hints.map(lambda hint: Mapping[str, hint]),
    st.tuples(hints, st.sampled_from(SIMPLE[4:])).map(
      lambda pair: pair[0] | pair[1]
    ),
  ),
  max_leaves=4,
)


def is_of(value, hint):
  """Whether a value is strictly of a type."""
  origin, parts = get_origin(hint), get_args(hint)
  if origin is None:
    return type(value) is hint
  if origin is Literal:
    return repr(value) in map(repr, parts)
  if origin is tuple:
    if type(value) is not tuple:
      return False
    items = parts[:1] * len(value) if parts[-1] is ... else parts
    return len(value) == len(items) and all(map(is_of, value, items))
  if origin is Mapping:
    return type(value) is dict and all(
      is_of(item, parts[1]) for item in value.values()
    )
  return any(is_of(value, part) for part in parts)


def unchanged(found, given):
  """Whether nothing but lists and whole numbers was converted."""
  if isinstance(given, dict):
    pairs = [(found[key], given[key]) for key in given]
    return found.keys() == given.keys() and all(unchanged(*p) for p in pairs)
  if isinstance(given, list):
    return len(found) == len(given) and all(map(unchanged, found, given))
  kinds = type(found), type(given)
  return found == given and (kinds == (float, int) or kinds[0] is kinds[1])


@given(HINTS, JSON)
def test_whatever_is_read_is_of_its_type_and_is_what_was_given(hint, value):
  try:
    found = read_value('key', value, hint)
  except ValueError as error:
    assert 'key' in str(error)
  else:
    assert is_of(found, hint) and unchanged(found, value)


NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
PARTS = st.builds(
  Part,
  points=st.integers(0, 9),
  names=st.lists(st.text(), max_size=2).map(tuple),
  mode=st.sampled_from(['fast', 'slow']),
)
SPANS = st.builds(Span, st.integers(0, 9), st.integers(0, 9))
WHOLES = st.builds(
  Whole,
  count=st.integers(),
  rate=NUMBERS,
  on=st.booleans(),
  name=st.text(),
  mode=st.sampled_from(['fast', 'slow', 1]),
  numbers=st.lists(NUMBERS, max_size=3).map(tuple),
  pair=st.tuples(st.integers(), st.text()),
  perhaps=st.none() | st.integers(),
  either=st.integers() | NUMBERS | st.text(),
  some=st.none() | st.lists(st.integers(), max_size=3).map(tuple),
  part=st.none() | PARTS,
  inner=st.builds(Inner, part=PARTS, rate=NUMBERS),
  table=st.dictionaries(
    st.text(), st.dictionaries(st.text(), NUMBERS, max_size=2), max_size=2
  ),
  parts=st.dictionaries(st.text(), PARTS, max_size=2),
  open=st.dictionaries(st.text(), st.none() | st.text(), max_size=2),
  span=SPANS,
  spans=st.lists(SPANS, max_size=2).map(tuple),
  maybe=st.none() | SPANS,
)


@given(WHOLES)
def test_a_dataclass_written_as_json_is_read_as_it_was(whole):
  values = json.loads(json.dumps(as_json(whole)))
  assert same(build_from(Whole, values), whole)


def test_keys_that_are_missing_or_unknown():
  with pytest.raises(ValueError, match=r"'up\.count' is missing; give int"):
    build_from(Whole, {}, 'up.')
  with pytest.raises(
    ValueError, match=r"key 'part\.poinst'; did you mean 'part"
  ):
    build_from(Part, {'poinst': 1}, 'part.')
  with pytest.raises(ValueError, match="'paralel'; did you mean 'parallel'"):
    build_from(Part, {'paralel': 1}, others=['parallel'])
  assert 'count' not in defaults(Whole) and defaults(Whole)['open'] == {}


def test_reading_leaves_what_it_reads_as_it_was():
  values: dict[str, Any] = {'part': {'names': ['a']}, 'rate': 1}
  found = build_from(Inner, values)
  assert same(found, Inner(Part(names=('a',)), 1.0))
  assert same(values, {'part': {'names': ['a']}, 'rate': 1})


def test_what_a_dataclass_is_made_of_is_read_too():
  @dataclasses.dataclass(frozen=True)
  class Checked:
    rate: float = 1.0
    names: tuple[str, ...] = ()
    part: Part = Part()
    last: int = dataclasses.field(default=0, init=False)

    def __post_init__(self):
      check_types(self, 'checked.')

  given: Any = {'rate': 2, 'names': ['a'], 'part': {'points': 4}}
  assert same(Checked(**given), Checked(2.0, ('a',), Part(4)))
  wrong: Any = {'part': {'points': '4'}}
  with pytest.raises(
    ValueError, match=r"'checked\.part\.points': expected int"
  ):
    Checked(**wrong)
  with pytest.raises(ValueError, match=r"unknown config key 'last'"):
    build_from(Checked, {'last': 1})


@pytest.mark.parametrize(
  'hint',
  [
    list[int],
    tuple,
    dict[int, str],
    Mapping[int, str],
    set[str],
    bytes,
    complex,
    object,
    Callable[[int], str],
    Literal[b'a'],
    tuple[list[int], ...],
    Mapping[str, bytes],
    Part | Inner,
    tuple[int, ...] | tuple[str, ...],
    Optional[Any],  # noqa: UP045
    Span | str,
    Span | Part,
    int | bytes,
  ],
)
def test_a_type_that_cannot_be_read_is_the_developers_error(hint):
  cls = dataclasses.make_dataclass('Odd', [('good', int, 1), ('bad', hint, 2)])
  for values in ({}, {'bad': 3}):
    with pytest.raises(TypeError, match=r'Odd\.bad: values of type .* cannot'):
      build_from(cls, values)
  with pytest.raises(TypeError, match='key: values of type'):
    read_value('key', 3, hint)


def test_types_may_be_written_as_text_or_annotated():
  cls = dataclasses.make_dataclass('Text', [('levels', 'int | None')])
  assert build_from(cls, {'levels': 3}).levels == 3
  with pytest.raises(ValueError, match='expected int or None'):
    build_from(cls, {'levels': 'three'})


def test_a_faults_own_key_is_not_named_twice():
  class Loud(Span):
    @classmethod
    def parse(cls, text: str) -> 'Span':
      raise ValueError(f'loud is {text!r}')

  with pytest.raises(ValueError, match=r"^loud is 'x'$"):
    read_value('loud', 'x', Loud)
  with pytest.raises(ValueError, match=r"^lou: loud is 'x'$"):
    read_value('lou', 'x', Loud)


def test_values_are_written_plainly():
  value = {'a': [Inner(), Span(3, 5)], 'b': (Span(1, 2),)}
  inner = {'part': {'points': 3, 'names': (), 'mode': 'fast'}, 'rate': 0.5}
  assert same(plain(value), {'a': (inner, '3-5'), 'b': ('1-2',)})
  listed = {'part': {'points': 3, 'names': [], 'mode': 'fast'}, 'rate': 0.5}
  assert same(as_json(value), {'a': [listed, '3-5'], 'b': ['1-2']})


def test_changes_go_to_any_depth_and_are_plain():
  old = {'inner': Inner(), 'a': 1, 'none': None}
  new = merged(old, ConfigDict({'inner': {'part': {'points': 9}}, 'a': [2]}))
  assert new['inner'] == plain(Inner(Part(9)))
  assert new['a'] == (2,) and old['inner'] == Inner()
  assert merged(old, {'none': {'b': 1}})['none'] == {'b': 1}
  with pytest.raises(ValueError, match=r"'inner\.rate': expected a mapping"):
    merged(old, {'inner': {'rate': {'b': 1}}})


def test_reading_loads_nothing_heavy():
  code = (
    'import sys, elth_jax.reading\n'
    'print({"jax", "numpy", "optax", "flax"} & set(sys.modules))'
  )
  done = subprocess.run(
    [sys.executable, '-c', code], capture_output=True, text=True, check=True
  )
  assert done.stdout.strip() == 'set()'
