"""Random tables, trees and layouts: right, or refused with a ValueError."""

import re

import numpy as np
from flax.core import FrozenDict
from hypothesis import given, settings
from hypothesis import strategies as st

from elth_jax import (
  Layout,
  Plan,
  squeeze_tree,
  stretch_tree,
)
from elth_jax.elastic.rules import Rule
from elth_jax.elastic.sparsity import predict
from elth_jax.elastic.width import narrow_tree, widen_tree
from elth_jax.trees import flatten

SHAPES = [(), (2,), (2, 3), (3, 2)]


rarely = st.sampled_from(range(12)).map(lambda n: n == 11)


@st.composite
def units(draw):
  """One unit: mostly like its neighbours, sometimes odd."""
  shape = draw(st.sampled_from(SHAPES)) if draw(rarely) else (2, 3)
  unit = {'conv': {'kernel': np.full(shape, draw(st.integers(0, 9)))}}
  if draw(rarely):
    unit['bias'] = np.ones(2)
  if draw(rarely):
    unit['conv']['kernel'] = None
  return unit


@st.composite
def trees(draw):
  """(tree, true depths or None where numbers have gaps)."""
  tree, depths = {'stem': np.ones(1)}, {}
  for stage in range(1, draw(st.integers(0, 3)) + 1):
    numbers = list(range(draw(st.integers(1, 4))))
    if draw(rarely):
      numbers.append(draw(st.integers(0, 7)))
    tree[f'stage{stage}'] = {f'block{n}': draw(units()) for n in numbers}
    depths[f'stage{stage}'] = sorted(set(numbers))
  kind = draw(st.sampled_from([dict, FrozenDict, flatten]))
  nested = {'params': tree} if draw(st.booleans()) else tree
  return kind(nested), depths


@st.composite
def cases(draw):
  """A tree with its depths, and tables that fit it more often than not."""
  tree, depths = draw(trees())
  tables = {}
  for stage, numbers in depths.items():
    last = 5 if draw(rarely) else len(numbers) - 1
    first = -1 if draw(rarely) else 0
    rows = st.lists(st.integers(first, last), min_size=1, max_size=6)
    if draw(st.booleans()):  # unit 0 often differs, and stays
      rows = rows.map(lambda row: [0, *(max(unit, 1) for unit in row)])
      rows = rows if last else st.just([0])
    tables[stage] = [] if draw(rarely) else draw(rows)
  if draw(rarely):
    tables['stage9'] = [0]
  return tree, depths, tables


def unit_of(tree, stage, number):
  """The leaves of one unit, by an independent reading of names."""
  found = {}
  for name, leaf in flatten(tree).items():
    match = re.fullmatch(rf'(.*/)?{stage}/block{number}/(.*)', name)
    if match:
      found[match[2]] = leaf
  return found


def shape_of(unit):
  return {n: None if v is None else v.shape for n, v in unit.items()}


def assert_gathered(before, after, tables):
  """`after` holds, at each target unit, the very leaves of its source."""
  for stage, rows in tables.items():
    for target, source in enumerate(rows):
      one, other = unit_of(before, stage, source), unit_of(after, stage, target)
      assert one.keys() == other.keys() and one
      assert all(one[name] is other[name] for name in one)
    assert not unit_of(after, stage, len(rows))
    shapes = [shape_of(unit_of(after, stage, t)) for t in range(len(rows))]
    full = [s for s in shapes[1:] if None not in s.values()]
    assert all(s == full[0] for s in full)
  outside = {n: v for n, v in flatten(before).items() if 'stage' not in n}
  kept = {n: v for n, v in flatten(after).items() if 'stage' not in n}
  assert outside == kept


@settings(max_examples=400)
@given(cases())
def test_any_plan_on_any_tree(case):
  tree, depths, tables = case
  try:
    new = Plan(tables).apply(tree)
  except ValueError as error:
    assert str(error)
    return
  assert type(new) is type(tree)
  assert tables.keys() == depths.keys()
  assert all(d == list(range(len(d))) for d in depths.values())
  assert_gathered(tree, new, tables)


@settings(max_examples=300)
@given(
  trees(),
  st.integers(-1, 8),
  st.sampled_from(['append', 'interpolate', 'sideways']),
  st.none() | st.lists(st.integers(-1, 5), max_size=3),
  st.booleans(),
  st.integers(0, 2),
)
def test_any_stretch_or_squeeze(made, want, order, chosen, deeper, fixed):
  tree, depths = made
  layout = Layout(fixed=fixed)
  try:
    if deeper:
      new = stretch_tree(tree, want, order=order, units=chosen, layout=layout)
    else:
      new = squeeze_tree(tree, want, keep=chosen, layout=layout)
  except ValueError as error:
    assert str(error)
    return
  assert layout.depths(new) == dict.fromkeys(depths, want)
  for stage, numbers in depths.items():
    for unit in range(min(fixed, len(numbers))):
      same = zip(
        unit_of(tree, stage, unit).values(),
        unit_of(new, stage, unit).values(),
        strict=True,
      )
      assert all(a is b for a, b in same)


words = st.sampled_from(
  [
    'append',
    'interpolate',
    'keep',
    'drop',
    'reorder',
    'overlap',
    'units',
    'squeeze',
    'best',
    'by',
    'density',
    '1',
    '2',
    '0',
    'x2',
    ',',
    '|',
    ':',
    ';',
  ]
)


@settings(max_examples=400)
@given(
  st.lists(words, max_size=6).map(' '.join) | st.text(max_size=12),
  st.integers(1, 4),
  st.integers(1, 6),
  st.integers(0, 2),
)
def test_any_rule(rule, have, want, fixed):
  scores = {'density': {'stage1': [0.1 * n for n in range(have)]}}
  try:
    plan = Rule.parse(rule).plan(
      {'stage1': have}, {'stage1': want}, fixed, scores
    )
  except ValueError as error:
    assert str(error)
    return
  (made,) = plan.tables.values()
  assert len(made) == want and max(made) < have


@settings(max_examples=200)
@given(st.text(max_size=20) | st.from_regex(r'(\d:\d(,\d)*;?){0,3}\|?'))
def test_any_published_text(text):
  try:
    plan = Plan.parse(text)
  except ValueError:
    return
  assert Plan.parse(str(plan), stages=list(plan.tables)) == plan


usual = st.sampled_from([r'block(\d+)', r'(?P<stage>stage\d)/block(\d+)'])
patterns = st.one_of(
  usual,
  usual,
  st.sampled_from([r'(\d+)', r'(.*)', r'b(.)']),
  st.text('stagebloc()d+*\\/.', max_size=8),
)


@settings(max_examples=300)
@given(
  trees(),
  patterns,
  st.none() | patterns,
  st.sampled_from([1, 1, 1, 2, 0]),
  st.integers(0, 1),
  st.integers(2, 6),
)
def test_any_layout(made, pattern, stacked, period, axis, want):
  tree, _ = made
  try:
    layout = Layout(pattern, stacked, axis=axis, period=period, fixed=0)
    before = layout.depths(tree)
    new = stretch_tree(tree, want, layout=layout)
    after = layout.depths(new)
  except ValueError as error:
    assert str(error)
    return
  assert after == dict.fromkeys(before, want)


@settings(max_examples=100)
@given(cases())
def test_any_forecast(case):
  masks, _, tables = case
  masks = {'tree': masks}  # a mapping of another kind around it
  try:
    plan = Plan(tables)
    forecast = predict(masks, plan)
    target = plan.apply(masks)
  except ValueError:
    return
  leaves = [leaf for leaf in flatten(target).values() if leaf is not None]
  assert forecast.overall.kept == sum(map(np.count_nonzero, leaves))


names = st.sampled_from(
  ['kernel', 'bias', 'scale', 'embedding', 'weight', 'w', 'dw', 'query']
)
dtypes = st.sampled_from([np.float32, np.float16, np.int32, np.bool_])


@st.composite
def resized(draw):
  """A tree, and one of shapes of which some axes are twice as long."""
  tree, wanted = {}, {}
  for layer in range(draw(st.integers(1, 4))):
    name = f'layer{layer}/{draw(names)}'
    shape = draw(st.lists(st.integers(1, 3), max_size=4))
    longer = [n * draw(st.sampled_from([1, 2, 2])) for n in shape]
    if draw(rarely):
      longer = draw(st.lists(st.integers(1, 5), max_size=4))
    values = 1 + np.arange(np.prod(shape, dtype=int)).reshape(shape) % 7
    tree[name] = None if draw(rarely) else values.astype(draw(dtypes))
    wanted[name] = np.zeros(longer)
  return tree, wanted


@settings(max_examples=300)
@given(resized(), st.none() | st.integers(0, 9), st.booleans())
def test_any_tree_of_twice_the_width(case, uneven, vouched):
  """Right shapes and dtypes, undone exactly by merging; or a ValueError."""
  tree, wanted = case
  trusted = (lambda name: True) if vouched else None
  try:
    wide = widen_tree(tree, wanted, trusted=trusted, uneven=uneven)
  except ValueError as error:
    assert str(error)
    return
  back = narrow_tree(wide, tree, trusted=lambda name: True, merge=True)
  for name, leaf in tree.items():
    found = flatten(wide)[name]
    if leaf is None:
      assert found is None
      continue
    assert (found.shape, found.dtype) == (wanted[name].shape, leaf.dtype)
    np.testing.assert_array_equal(flatten(back)[name], leaf)
