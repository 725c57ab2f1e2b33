import numpy as np
import pytest

from elth_jax.elastic.table_text import format_table, parse_table
from elth_jax.elastic.tables import squeeze_table, stretch_table

# (units beyond unit 0, wanted, order, replicated units, table): E-LTH's
# figures 2, 4 and 5 and the commands of its author
PUBLISHED = [
  (2, 4, 'append', None, '1 2 1 2'),
  (2, 4, 'interpolate', None, '1 1 2 2'),
  (4, 8, 'append', None, '1 2 3 4 1 2 3 4'),
  (4, 8, 'interpolate', None, '1 1 2 2 3 3 4 4'),
  (4, 6, 'append', None, '1 2 1 2 3 4'),
  (4, 6, 'interpolate', None, '1 1 2 2 3 4'),
  (2, 6, 'append', None, '1 2 1 2 1 2'),
  (3, 5, 'append', None, '1 2 1 2 3'),
  (4, 8, 'append', (1, 2), '1 2 1 2 1 2 3 4'),
  (4, 8, 'append', (2, 3), '1 2 3 2 3 2 3 4'),
  (4, 8, 'append', (1,), '1 1 1 1 1 2 3 4'),
  (4, 8, 'interpolate', (1, 2), '1 1 1 2 2 2 3 4'),
  (4, 7, 'append', (1, 2), '1 1 2 1 2 3 4'),
  (1, 8, 'append', None, '1 1 1 1 1 1 1 1'),
  (2, 5, 'append', None, '1 1 2 1 2'),
  (2, 2, 'append', None, '1 2'),
  (0, 0, 'append', None, ''),
]


@pytest.mark.parametrize(('n', 'm', 'order', 'units', 'table'), PUBLISHED)
def test_published_stretches(n, m, order, units, table):
  expected = (0, *map(int, table.split()))
  assert stretch_table('stage1', n + 1, m + 1, order, units) == expected


@pytest.mark.parametrize(
  ('keep', 'drop', 'table'),
  [
    (None, None, (0, 1, 2, 3, 4)),
    ((1, 3, 5, 7), None, (0, 1, 3, 5, 7)),
    ({5, 6, 7, 8}, None, (0, 5, 6, 7, 8)),
    (None, (1, 2, 3, 4), (0, 5, 6, 7, 8)),
  ],
)
def test_published_squeezes(keep, drop, table):
  assert squeeze_table('stage1', 9, 5, keep, drop) == table


@pytest.mark.parametrize(
  ('arguments', 'message'),
  [
    ((1, 2, 'append', None), 'no units to replicate'),
    ((3, 5, 'append', ()), 'no units to replicate'),
    ((5, 3, 'append', None), 'squeeze instead'),
    ((5, 7, 'append', (0,)), 'units 1 to 4'),
    ((5, 7, 'append', (5,)), 'units 1 to 4'),
    ((5, 7, 'append', (2, 1)), 'increasing'),
    ((5, 7, 'append', (1, 1)), 'increasing'),
  ],
)
def test_wrong_stretches_name_the_stage(arguments, message):
  with pytest.raises(ValueError, match=f'stage7: .*{message}'):
    stretch_table('stage7', *arguments)


@pytest.mark.parametrize(
  ('arguments', 'message'),
  [
    ((5, 6, None, None), 'stretch instead'),
    ((5, 0, None, None), 'unit 0 always stays'),
    ((5, 3, (1, 2, 3), None), 'not 3'),
    ((5, 3, None, (1,)), 'not 3'),
    ((5, 3, (1, 9), None), 'units 1 to 4'),
    ((5, 3, (2, 1), None), 'increasing'),
  ],
)
def test_wrong_squeezes_name_the_stage(arguments, message):
  with pytest.raises(ValueError, match=f'stage7: .*{message}'):
    squeeze_table('stage7', *arguments)


@pytest.mark.parametrize('units', [[3, 1], [1, 1, 2]])
@pytest.mark.parametrize('kind', [list, np.array])
def test_units_of_any_kind_are_in_order(kind, units):
  for call in (
    lambda: stretch_table('s', 5, 8, 'append', kind(units)),
    lambda: squeeze_table('s', 5, len(units) + 1, kind(units), None),
    lambda: squeeze_table('s', 5, 5 - len(units), None, kind(units)),
  ):
    with pytest.raises(ValueError, match=r's: .* must be in increasing order'):
      call()
  assert squeeze_table('s', 5, 3, {3, 1}, None) == (0, 1, 3)  # a set has none


def test_published_syntax():
  text = '0:0;1:1,5;2:2,6;3:3,7;4:4,8'
  assert parse_table(text, 'stage1') == (0, 1, 2, 3, 4, 1, 2, 3, 4)
  assert format_table((0, 1, 2, 3, 4, 1, 2, 3, 4)) == text


@pytest.mark.parametrize(
  ('text', 'message'),
  [
    ('0:0;1:1,2;2:2', 'fills target unit 2 twice'),
    ('0:0;1:1;2:3', 'leaves target unit 2 empty'),
    ('', 'leaves target unit 0 empty'),
    ('0:0;1-1', "cannot read '1-1'"),
    ('0:0;1:', 'cannot read'),
    ('0:-1', 'cannot read'),
  ],
)
def test_wrong_syntax_is_named(text, message):
  with pytest.raises(ValueError, match=f'stage3: .*{message}'):
    parse_table(text, 'stage3')
