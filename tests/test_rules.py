import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elth_jax import Layout, Plan
from elth_jax.elastic.published import PUBLISHED
from elth_jax.elastic.rules import (
  RULES,
  Append,
  Best,
  Drop,
  Interpolate,
  Keep,
  Overlap,
  Reorder,
  Rule,
  Squeeze,
  Step,
  Table,
  Units,
  best_units,
  register,
)
from elth_jax.families import architecture, plan_between

SCORES = {'density': {'stage1': [0.9, 0.1, 0.5, 0.3, 0.5]}}

# (units beyond unit 0, wanted, rule, table): by hand and from the paper
BY_HAND = [
  (2, 8, 'interpolate x2, append', '1 1 2 2 1 1 2 2'),  # Inter 12x2, Append
  (2, 8, 'interpolate', '1 1 1 1 2 2 2 2'),  # Inter 12x4
  (4, 8, 'append 1 2', '1 2 1 2 1 2 3 4'),
  (4, 8, 'append  1 2', '1 2 1 2 1 2 3 4'),
  (4, 8, 'append best 2 by density', '1 2 3 4 2 4 2 4'),
  (4, 2, 'keep best by density', '2 4'),
  (8, 4, 'keep 1 3 5 7', '1 3 5 7'),
  (8, 4, 'drop 5 6 7 8', '1 2 3 4'),
  (8, 4, 'squeeze', '1 2 3 4'),
  (4, 4, 'reorder 2 1 4 3', '2 1 4 3'),
  (4, 8, 'reorder 2 1 4 3, append', '2 1 4 3 2 1 4 3'),
  (4, 3, 'units 4 4 1', '4 4 1'),
  (4, 6, 'overlap', '1 2 3 2 3 4'),
  (4, 7, 'overlap', '1 2 3 4 2 3 4'),
  (4, 4, 'drop 2, append', '1 1 3 4'),
  (4, 4, 'overlap, reorder 2 1 4 3', '2 1 4 3'),
  (4, 5, 'append, reorder 5 1 2 3 4', '4 1 1 2 3'),
  (4, 2, 'squeeze, reorder 2 1', '2 1'),
  (4, 2, 'keep best by density, reorder 2 1', '4 2'),
  # a score is that of the unit that stands there after the steps before
  (4, 5, 'reorder 2 1 4 3, append best 1 by density', '2 2 1 4 3'),
  (4, 2, 'reorder 1 3 2 4, keep best by density', '2 4'),
  (4, 2, 'drop 1, keep best 2 by density', '2 4'),
  (4, 1, 'append best 1 by density x2, keep best by density', '2'),
  (2, 4, '0:0;1:1,3;2:2,4', '1 2 1 2'),
  (2, 2, 'keep 1 3 5 7', '1 2'),  # nothing to drop
  (0, 0, 'append 1 2', ''),
]


@pytest.mark.parametrize(('have', 'want', 'rule', 'table'), BY_HAND)
def test_rules_by_hand(have, want, rule, table):
  scores = SCORES if have == 4 else None
  plan = Rule.parse(rule).plan(
    {'stage1': have + 1}, {'stage1': want + 1}, scores=scores
  )
  assert plan.tables['stage1'] == (0, *map(int, table.split()))


def test_depth_up_scaling_of_solar():
  """32 layers to 48: the first 24 and the last 24 (Kim et al. 2024)."""
  plan = Rule.parse('overlap').plan({'layers': 32}, {'layers': 48}, fixed=0)
  assert plan.tables['layers'] == (*range(24), *range(8, 32))


def test_rules_by_stage():
  rule = Rule.parse('append | keep 2')
  plan = rule.plan({'a': 2, 'b': 4}, {'a': 3, 'b': 2}, fixed={'a': 0})
  assert plan.tables == {'a': (0, 0, 1), 'b': (0, 2)}


@pytest.mark.parametrize(
  ('rule', 'message'),
  [
    ('apend', "unknown rule 'apend'; did you mean 'append'"),
    ('keep 1,3', "unknown rule '3'"),
    ('', "unknown rule ''"),
    ('keep one', "cannot read the rule 'keep one'"),
    ('append best by density', 'say how many'),
    ('append best 2 by taste', "needs the score 'taste'; given are"),
    ('append best 9 by density', 'cannot choose 9 of 4'),
    ('append, append', "'append' goes to the depth .* as in append x2"),
    ('keep, append', "'keep' goes to the depth of the target, and a step"),
    ('keep best by density, append', 'a step that resizes follows'),
    ('overlap, reorder 2 1, append', "'overlap' goes to the depth"),
    ('squeeze, append', "'squeeze' goes to the depth"),
    ('append 1 2 best 2 by density', 'give units, or best'),
    ('squeeze 1', 'squeeze takes no units'),
    ('keep 1 x2', 'only append and interpolate take x'),
    ('reorder', 'must name units'),
    ('reorder 1 2 3 3', 'no order of units 1 to 4'),
    ('units 1 9', r'names \[9\]'),
    ('units 1', r"'units 1' makes 2 units, not 9"),
    ('append x3', r"'append x3' makes 13 units, not 9"),
    ('append x999, append x999, append', 'makes 3992005 units; at most 100000'),
    ('append | append', '2 parts for 1 stages'),
    ('0:0;1:1', r"makes depths {'stage1': 2}"),
    ('0:0;1:1;1', "cannot read '1'"),
    ('squeeze', 'cannot squeeze 5 units to 9'),
    ('overlap', None),
  ],
)
def test_wrong_rules_name_the_fault(rule, message):
  def make():
    have, want = {'stage1': 5}, {'stage1': 9}
    return Rule.parse(rule).plan(have, want, scores=SCORES)

  if message is None:
    assert make().depths == {'stage1': 9}
    return
  with pytest.raises(ValueError, match=message):
    make()


def test_stages_must_agree():
  with pytest.raises(ValueError, match=r"\['b'\] are not in both"):
    Rule.parse('append').plan({'a': 2}, {'a': 2, 'b': 2})


@pytest.mark.parametrize('name', PUBLISHED)
def test_published_plans_lead_to_their_targets(name):
  made = PUBLISHED[name]
  source, target = architecture(made.source), architecture(made.target)
  assert plan_between(source, target, made.rule).depths == target.depths


@pytest.mark.parametrize(
  ('name', 'table'),
  [
    ('append-12', '1 2 1 2 1 2 3 4'),
    ('append-23', '1 2 3 2 3 2 3 4'),
    ('uneven-append', '1 2 1 2 3 4'),
    ('uneven-interpolate', '1 1 2 2 3 4'),
    ('inter-12x2-append', '1 1 2 2 1 1 2 2'),
    ('keep-1278', '1 2 7 8'),
  ],
)
def test_published_tables(name, table):
  made = PUBLISHED[name]
  plan = plan_between(
    architecture(made.source), architecture(made.target), made.rule
  )
  expected = (0, *map(int, table.split()))
  assert set(plan.tables.values()) == {expected}


CHOICES = st.none() | st.lists(
  st.integers(0, 999_999), min_size=1, max_size=3
).map(tuple)
BEST = st.builds(Best, st.integers(0, 9), st.sampled_from(['density', 'a_b']))
TIMES = st.none() | st.integers(1, 999)
NAMED = CHOICES.filter(lambda units: units is not None)
STEPS = st.one_of(
  st.builds(Append, CHOICES | BEST, TIMES),
  st.builds(Interpolate, CHOICES | BEST, TIMES),
  st.builds(Keep, CHOICES | BEST | st.just(Best(None, 'magnitude'))),
  st.builds(Drop, NAMED | BEST),
  st.builds(Reorder, NAMED),
  st.builds(Units, NAMED),
  st.sampled_from([Overlap(), Squeeze()]),
)


def goes_on(step):
  if isinstance(step, Append | Interpolate):
    return step.times is not None
  if isinstance(step, Keep):
    units = step.units
    return units.count is not None if isinstance(units, Best) else bool(units)
  return not isinstance(step, Overlap | Squeeze)


PARTS = st.builds(
  lambda before, last: (*before, last),
  st.lists(STEPS.filter(goes_on), max_size=2),
  STEPS,
)
NUMBERS = st.integers(0, 999_999)
TABLES = st.builds(
  Table,
  st.lists(
    st.tuples(NUMBERS, st.lists(NUMBERS, min_size=1, max_size=2).map(tuple)),
    min_size=1,
    max_size=3,
  ).map(tuple),
)


@given(
  st.lists(PARTS, min_size=1, max_size=3)
  | st.lists(TABLES, min_size=1, max_size=3)
)
def test_any_rule_is_read_as_it_is_written(parts):
  rule = Rule(tuple(parts))
  assert Rule.parse(str(rule)) == rule
  assert str(Rule.parse(str(rule))) == str(rule)


@pytest.mark.parametrize(
  ('rule', 'text'),
  [
    (Rule.of(Append((1, 2))), 'append 1 2'),
    (Rule.of(Interpolate(times=2), Append()), 'interpolate x2, append'),
    (Rule.of(Drop(Best(2, 'density'))), 'drop best 2 by density'),
    (Rule.of(Keep(Best(None, 'density'))), 'keep best by density'),
    (
      Rule.by_stage(Rule.of(Squeeze()), Rule.of(Units((1, 1)))),
      'squeeze | units 1 1',
    ),
    (Rule((Table(((0, (0,)), (1, (1, 2)))),)), '0:0;1:1,2'),
  ],
)
def test_rules_are_made_and_written(rule, text):
  assert str(rule) == text and Rule.parse(text) == rule


def test_a_rule_keeps_its_text():
  rule = Rule.parse('append  01|keep 2')
  assert str(rule) == 'append  01|keep 2'
  same = Rule.parse('append 1 | keep 2')
  assert rule == same and hash(rule) == hash(same)
  assert str(dataclasses.replace(rule, parts=rule.parts[:1])) == 'append 1'


def test_a_rule_may_be_given_as_a_value():
  source, target = architecture('resnet20'), architecture('resnet32')
  rule = Rule.of(Interpolate())
  assert plan_between(source, target, rule) == plan_between(
    source, target, 'interpolate'
  )
  assert plan_between(target, source, rule) == plan_between(
    target, source, 'squeeze'
  )
  assert rule.plan({'a': 2}, {'a': 3}).tables == {'a': (0, 1, 1)}


def test_the_scores_that_a_rule_needs():
  rule = Rule.parse('append best 1 by density x2, keep best by magnitude')
  assert rule.scores == {'density', 'magnitude'}
  assert Rule.parse('append 1').scores == set()
  assert Rule.parse('0:0').scores == set()


def test_none_of_the_best_may_be_dropped():
  rule = Rule.parse('drop best 0 by density, append')
  plan = rule.plan({'stage1': 5}, {'stage1': 6}, scores=SCORES)
  assert plan.tables['stage1'] == (0, 1, 1, 2, 3, 4)


@pytest.mark.parametrize(
  ('make', 'message'),
  [
    (lambda: Append(()), "'append' must name units"),
    (lambda: Drop(None), "'drop' must name units"),
    (lambda: Append((-1,)), 'unit -1; units are 0'),
    (lambda: Append((1.5,)), 'are not whole numbers'),
    (lambda: Append(times=0), 'x takes a number of 1'),
    (lambda: Append(Best(None, 'density')), 'say how many'),
    (lambda: Reorder(Best(2, 'density')), 'name the units, as in reorder'),
    (lambda: Best(-1, 'density'), 'choose 0 to'),
    (lambda: Best(1, 'how dense'), 'named by one word'),
    (lambda: Rule.of(), 'at least one step'),
    (lambda: Rule.of(Append(), Append()), 'or put it last'),
    (lambda: Rule((Table(()), (Append(),))), 'all stages have tables, or none'),
  ],
)
def test_values_that_are_no_rules(make, message):
  with pytest.raises(ValueError, match=message):
    make()


@pytest.fixture
def rotate():
  """A user's kind of step, with units."""

  @register
  @dataclasses.dataclass(frozen=True)
  class Rotate(Step):
    """Puts some units last."""

    units: tuple[int, ...]
    verb = 'rotate'

    def table(self, stage):
      rest = (n for n in range(stage.have) if n not in self.units)
      return (*rest, *self.units)

  yield Rotate
  del RULES['rotate']


def test_a_kind_of_step_of_ones_own(rotate):
  rule = Rule.parse('append x2, rotate 1')
  assert rule == Rule.of(Append(times=2), rotate((1,)))
  plan = rule.plan({'a': 3}, {'a': 5})
  assert plan.tables == {'a': (0, 2, 1, 2, 1)}
  with pytest.raises(ValueError, match="did you mean 'rotate'"):
    Rule.parse('rotat 1')
  with pytest.raises(ValueError, match="'rotate' must name units"):
    Rule.parse('rotate')
  with pytest.raises(ValueError, match='name the units'):
    Rule.parse('rotate best 1 by density')
  with pytest.raises(ValueError, match="a rule 'rotate' already"):
    register(rotate)


def test_verbs_are_words_that_a_rule_can_be_read_from():
  class Odd(Step):
    verb = 'two words'

  with pytest.raises(ValueError, match='lower-case letters'):
    register(Odd)


@pytest.mark.parametrize('verb', RULES)
def test_every_rule_is_described(verb):
  page = Path(__file__).parent.parent / 'docs/transformations.md'
  assert f'`{verb}' in page.read_text('utf-8')


@pytest.mark.parametrize(
  ('rule', 'kind'),
  [
    ('append 1 2', 'stretch'),
    ('keep 1', 'squeeze'),
    ('0:0', ''),
    ('reorder 1', ''),
    ('reorder 2 1, append', 'stretch'),
    ('append x2, keep 1', 'both'),
    ('append | keep 1', 'both'),
    ('append | reorder 2 1', 'stretch'),
  ],
)
def test_what_a_rule_is_for(rule, kind):
  assert Rule.parse(rule).resizes == kind


def test_best_units():
  assert best_units([9, 1, 3, 3, 2], 2) == (2, 3)
  assert best_units([9, 1, 3, 3, 2], 1) == (2,)  # of equals, the earlier
  assert best_units([9, 1], 1, fixed=0) == (0,)
  with pytest.raises(ValueError, match='not all numbers'):
    best_units([1.0, float('nan')], 1)


@given(
  st.lists(st.integers(2, 5), min_size=2, max_size=4),
  st.sampled_from(['append', 'interpolate']),
)
def test_stretches_in_a_row_are_one_plan(depths, order):
  plans = [
    Plan.stretch({'s': one}, other, order)
    for one, other in zip(sorted(depths), sorted(depths)[1:], strict=False)
  ]
  tree = {'s': {f'block{i}': i for i in range(min(depths))}}
  layout = Layout(units=r's/block(\d+)')
  whole, stepwise = plans[0], tree
  for plan in plans[1:]:
    whole = whole.then(plan)
  for plan in plans:
    stepwise = plan.apply(stepwise, layout)
  assert whole.apply(tree, layout) == stepwise


def test_plans_that_do_not_follow_each_other():
  one = Plan({'a': (0, 1)})
  with pytest.raises(ValueError, match='copies unit 2, but the first makes'):
    one.then(Plan({'a': (0, 2)}))
  with pytest.raises(ValueError, match='not in both plans'):
    one.then(Plan({'b': (0,)}))


def test_replicas_are_the_repeats():
  plan = Plan({'a': (0, 1, 2, 1, 2), 'b': (0, 2, 1)})
  assert plan.replicas == {'a': {3, 4}, 'b': set()}


def test_a_published_table_names_units_that_the_source_has():
  with pytest.raises(ValueError, match='copies source unit 3'):
    Rule.parse('0:0;3:1').plan({'a': 3}, {'a': 2})
