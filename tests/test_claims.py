"""What papers claim, read from text and tested on invented results."""

import dataclasses

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from elth_jax.report import comparison, mixed_model, summary
from elth_jax.report.verdicts import beside, judge, judge_all
from elth_jax.study.claims import Claim, alike, better, no_worse
from elth_jax.study.published import Published, published
from elth_jax.study.scope import level_at
from elth_jax.study.sides import Side
from elth_jax.study.spec import Paper


def cells(**accuracies):
  """Cells of resnet32 at level 2 (dense at 0); underscores end a method."""
  rows = []
  for name, values in accuracies.items():
    method, _, order = name.partition('__')
    rows += [
      {
        'target': 'resnet32',
        'source': 'resnet20' if order else 'resnet32',
        'method': method,
        'order': order,
        'level': 0 if method == 'dense' else 2,
        'replicate': replicate,
        'test_accuracy': value,
        'sparsity': 0.3,
      }
      for replicate, value in enumerate(values)
    ]
  return summary.cells(rows)


def test_claims_are_read():
  claim = Claim.parse(
    'ett[append x2] from resnet20 ~ imp within 0.5 at 2 6 on resnet32 resnet56'
  )
  assert claim.one == Side('ett', 'append x2', 'resnet20')
  assert claim.other == Side('imp')
  assert (claim.within, claim.levels) == (0.5, (2, 6))
  assert claim.targets == ('resnet32', 'resnet56')
  assert Claim.parse('imp > dense').levels == ()
  number = Published.parse('mlp3 ett from mlp2 at 10: 97.9 (table 5)')
  assert number == Published(
    'mlp3', Side('ett', '', 'mlp2'), 10, 97.9, 'table 5'
  )


@pytest.mark.parametrize(
  ('claim', 'text'),
  [
    (better('ett', 'snip'), 'ett > snip'),
    (
      better('ett', 'snip', at=(10, 13), on='resnet32'),
      'ett > snip at 10 13 on resnet32',
    ),
    (
      alike('ett[append]', 'ett[interpolate]', within=0.5, at=3),
      'ett[append] ~ ett[interpolate] within 0.5 at 3',
    ),
    (
      better(Side('ett', '', 'a'), 'imp', at='highest', on=('b1', 'c-d')),
      'ett from a > imp at highest on b1 c-d',
    ),
    (alike('ett', 'imp', within=1e-5), 'ett ~ imp within 0.00001'),
    (
      no_worse('imp', 'dense', 0.5, at=(0.8926, 0.945), where='claim 15'),
      'imp >= dense within 0.5 at 0.8926 0.945 (claim 15)',
    ),
    (
      better('a', 'b', by=2, everywhere=True, above=0.5, below=0.9, on='n'),
      'a > b by 2 everywhere above 0.5 below 0.9 on n',
    ),
    (better('a', 'b', growing=True), 'a > b growing'),
    (
      alike('barrier_imp', 0, within=2, on='n', against='m'),
      'barrier_imp ~ 0 within 2 on n against m',
    ),
  ],
)
def test_claims_are_made_and_written(claim, text):
  assert str(claim) == text
  assert Claim.parse(text) == claim


def test_a_claim_keeps_its_text():
  claim = Claim.parse(' ett  >  imp at 03')
  assert str(claim) == ' ett  >  imp at 03'
  assert claim == better('ett', 'imp', at=3)
  assert hash(claim) == hash(better('ett', 'imp', at=3))
  moved = dataclasses.replace(claim, levels=(4,))
  assert str(moved) == 'ett > imp at 4'


@pytest.mark.parametrize(
  ('make', 'fault'),
  [
    (lambda: better('ett', 'Snip'), "side 'Snip'; write e.g."),
    (lambda: better('ett', 'ett'), "claim 'ett > ett': both sides"),
    (lambda: better('ett', 'imp', at='last'), "at is 'last'; give levels"),
    (lambda: better('ett', 'imp', at=0), 'at 0; levels are'),
    (lambda: better('ett', 'imp', at=1.5), 'sparsity 1.5; give a share'),
    (lambda: better('ett', 'imp', at=(3, 0.5)), 'levels, or sparsities'),
    (lambda: better('ett', 'imp', above=0.5, below=0.5), 'lower one first'),
    (lambda: better('ett', 'imp', against='a'), 'against needs on'),
    (lambda: better('ett', 'imp', 'highest', growing=True), 'growing compares'),
    (lambda: better('ett', 'imp', on='a b'), "target 'a b' is no name"),
    (lambda: alike('ett', 'imp', within=float('nan')), 'within nan points'),
    (lambda: Side('ett', 'a]'), r"side 'ett\[a\]\]'"),
    (lambda: Side('ett', 'append  1'), 'write e.g.'),
    (
      lambda: Claim(Side('ett'), Side('imp'), levels=(1,), highest=True),
      'give levels, or highest',
    ),
    (lambda: published('mlp2', 'imp', 98.0), 'dense networks have no level'),
    (lambda: published('mlp2', 'dense', -1), '-1 is no share'),
    (lambda: published('mlp2', 'dense', float('nan')), 'is no share'),
    (lambda: published('MLP-2', 'dense', 98), "published 'MLP-2 dense: 98'"),
  ],
)
def test_values_that_cannot_be_meant(make, fault):
  with pytest.raises(ValueError, match=fault):
    make()


def test_published_numbers_are_made_and_written():
  number = published('mlp3', 'ett from mlp2', 97.9, at=10, where='table 5')
  assert str(number) == 'mlp3 ett from mlp2 at 10: 97.9 (table 5)'
  assert Published.parse(str(number)) == number
  assert str(Published.parse('mlp2  dense: 95.40')) == 'mlp2  dense: 95.40'
  assert Published.parse('mlp2 dense: 95.40') == published(
    'mlp2', 'dense', 95.4
  )


METHODS = st.from_regex(r'[a-z][a-z_]{0,5}', fullmatch=True)
SIDES = st.builds(
  Side,
  METHODS,
  st.sampled_from(['', 'append', '0:0;1:1,2', 'keep 1 3, append']),
  st.sampled_from(['', 'resnet20', 'vgg13-3']),
)
NAMES = st.lists(METHODS, unique=True, max_size=2)


@given(
  SIDES,
  SIDES,
  st.none() | st.floats(0, 100, exclude_min=True),
  st.just('highest')
  | st.lists(st.integers(1, 1000), unique=True, max_size=3)
  | st.lists(st.floats(0.001, 0.999), unique=True, max_size=2),
  NAMES,
  st.booleans(),
)
def test_any_claim_is_read_as_it_is_written(
  one, other, within, at, on, everywhere
):
  assume(one != other)
  claim = (
    better(one, other, at, on, everywhere=everywhere)
    if within is None
    else alike(one, other, within, at, on, everywhere=everywhere)
  )
  assert Claim.parse(str(claim)) == claim


@given(METHODS, SIDES, st.integers(1, 1000), st.floats(0, 100))
def test_any_number_is_read_as_it_is_written(target, side, level, accuracy):
  level = 0 if side.method == 'dense' else level
  number = published(target, side, accuracy, level)
  assert Published.parse(str(number)) == number


@pytest.mark.parametrize(
  ('text', 'fault'),
  [
    ('ett ~ imp within 0', 'within 0 points; give more than 0'),
    ('ett ~ imp within 0.0', 'within 0 points'),
    ('ett ~ imp within 100.5', 'within 100.5 points'),
    ('ett ~ imp within 99999999999999999999', r'within 1e\+20 points'),
    ('ett ~ imp within -1', 'write e.g.'),
    ('ett ~ imp within nan', 'write e.g.'),
    ('ett ~ imp', 'write e.g.'),
    ('ett > imp within 1', 'write e.g.'),
    ('ett > imp at 0', 'at 0; levels are 1 to 1000'),
    ('ett > imp at 3 1001', 'at 1001; levels'),
    ('ett > imp at \u0663', 'write e.g.'),  # an Arabic digit
    ('ett > imp at 3 5 3', 'level 3 is named twice'),
    ('ett > imp at 3 03', 'level 3 is named twice'),
    ('ett > imp on resnet20 resnet20', 'target resnet20 is named twice'),
    ('ett > ett', 'both sides are the same'),
    ('ett[append] from a ~ ett[append] from a within 1', 'both sides'),
  ],
)
def test_claims_that_cannot_be_meant(text, fault):
  with pytest.raises(ValueError, match=fault) as refused:
    Claim.parse(text)
  assert repr(text) in str(refused.value)


@pytest.mark.parametrize(
  ('text', 'fault'),
  [
    ('resnet32 imp at 10: 100.1', r'100\.1 is more than 100%'),
    ('resnet32 imp at 10: -3', 'write e.g.'),
    ('resnet32 imp at 10: nan', 'write e.g.'),
    ('resnet32 imp: 91', 'dense networks have no level'),
    ('resnet32 imp at 0: 91', 'dense networks have no level'),
    ('resnet32 dense at 3: 91', 'dense networks have no level'),
    ('resnet32 imp at 1001: 91', 'one of 1 to 1000'),
  ],
)
def test_published_numbers_that_cannot_be(text, fault):
  with pytest.raises(ValueError, match=fault) as refused:
    Published.parse(text)
  assert repr(text) in str(refused.value)


def test_the_ends_of_what_can_be_meant():
  assert Claim.parse('ett ~ imp within 100').within == 100
  assert Claim.parse('ett > imp at 1 1000').levels == (1, 1000)
  assert Published.parse('mlp2 dense: 100').level == 0
  assert Published.parse('mlp2 dense at 0: 0').accuracy == 0


def test_one_test_over_replicates_of_the_mean_over_pairs():
  """Both ETTs go back to one ticket and are paired; SNIP stands alone."""
  found = cells(
    ett__append=[0.90, 0.92, 0.91],
    ett__interpolate=[0.89, 0.93, 0.90],
    snip=[0.80, 0.86, 0.82],
  )
  judged = judge(Claim.parse('ett > snip'), found)
  assert len(judged.pairs) == 2
  test = stats.ttest_ind([89.5, 92.5, 90.5], [80, 86, 82], equal_var=False)
  low, high = test.confidence_interval()
  assert judged.difference - judged.margin == pytest.approx(low)
  assert judged.difference + judged.margin == pytest.approx(high)
  assert judged.p_for == pytest.approx(test.pvalue)
  assert judged.verdict == 'supported'


def test_variants_of_one_ticket_are_paired():
  one, other = [0.90, 0.80, 0.70], [0.89, 0.78, 0.69]
  found = cells(ett__append=one, ett__interpolate=other, snip=other)
  paired = judge(Claim.parse('ett[append] > ett[interpolate]'), found)
  test = stats.ttest_rel(one, other)
  assert paired.p_for == pytest.approx(test.pvalue)
  alone = judge(Claim.parse('ett[append] > snip'), found)
  welch = stats.ttest_ind(one, other, equal_var=False)
  assert alone.p_for == pytest.approx(welch.pvalue)


@pytest.mark.parametrize(
  ('one', 'other', 'text', 'verdict'),
  [
    ([0.9, 0.9, 0.91], [0.8, 0.8, 0.8], 'ett > snip', 'supported'),
    ([0.8, 0.8, 0.81], [0.9, 0.9, 0.9], 'ett > snip', 'contradicted'),
    ([0.8, 0.9, 0.7], [0.8, 0.8, 0.8], 'ett > snip', 'undecided'),
    ([0.9], [0.8], 'ett > snip', 'undecided'),
    ([0.9, 0.901, 0.9], [0.9, 0.9, 0.9], 'ett ~ snip within 1', 'supported'),
    ([0.95, 0.951, 0.95], [0.9] * 3, 'ett ~ snip within 1', 'contradicted'),
    ([0.9, 0.95, 0.85], [0.9] * 3, 'ett ~ snip within 1', 'undecided'),
  ],
)
def test_verdicts(one, other, text, verdict):
  found = cells(ett__append=one, snip=other)
  assert judge(Claim.parse(text), found).verdict == verdict


def spread(mean, margin, confidence=0.95):
  """Three accuracies whose interval is so wide, in points."""
  # of Student's t for 2 degrees, in any table
  quantile = {0.95: 4.302652729696142, 0.9: 2.919985580353726}[confidence]
  step = margin / 100 * np.sqrt(3) / quantile
  return [0.5 + mean / 100 + step * sign for sign in (-1, 0, 1)]


@pytest.mark.parametrize(
  ('mean', 'margin', 'text', 'verdict'),
  [
    # just within and just beyond the points given
    (0.5, 0.45, 'ett ~ snip within 1', 'supported'),
    (-0.5, 0.45, 'ett ~ snip within 1', 'supported'),
    (0.5, 0.55, 'ett ~ snip within 1', 'undecided'),
    (0.95, 0.01, 'ett ~ snip within 1', 'supported'),
    (1.05, 0.01, 'ett ~ snip within 1', 'contradicted'),
    (-1.05, 0.01, 'ett ~ snip within 1', 'contradicted'),
    (1.5, 0.55, 'ett ~ snip within 1', 'undecided'),
    # that they differ by more is a test of both sides
    (1.5, 0.45, 'ett ~ snip within 1', 'undecided'),
    (1.5, 0.30, 'ett ~ snip within 1', 'contradicted'),
    # just above 0, with 95% confidence
    (1.0, 0.97, 'ett > snip', 'supported'),
    (1.0, 1.03, 'ett > snip', 'undecided'),
    (-1.0, 0.97, 'ett > snip', 'contradicted'),
    (-1.0, 1.03, 'ett > snip', 'undecided'),
  ],
)
def test_verdicts_near_their_thresholds(mean, margin, text, verdict):
  confidence = 0.95 if '> ' in text else 0.9
  values = spread(mean, margin, confidence)
  found = cells(ett__append=values, snip=[0.5] * 3)
  judged = judge(Claim.parse(text), found)
  assert judged.difference == pytest.approx(mean)
  assert judged.margin == pytest.approx(margin)
  assert judged.verdict == verdict
  (pair,) = judged.pairs
  assert pair.difference == pytest.approx(mean / 100)
  assert pair.test.margin(confidence) == pytest.approx(margin / 100)


@pytest.mark.parametrize(
  ('mean', 'margin', 'verdict'),
  [
    (-0.5, 0.45, 'supported'),
    (-0.5, 0.55, 'undecided'),
    (5.0, 0.5, 'supported'),
    (-1.5, 0.45, 'contradicted'),
  ],
)
def test_no_worse_is_one_sided(mean, margin, verdict):
  found = cells(imp=spread(mean, margin, 0.9), dense=[0.5] * 3)
  assert judge(no_worse('imp', 'dense', 1), found).verdict == verdict


def test_better_by_so_many_points():
  found = cells(imp=spread(3, 0.5), snip=[0.5] * 3)
  assert judge(better('imp', 'snip', by=2.4), found).verdict == 'supported'
  assert judge(better('imp', 'snip', by=2.6), found).verdict == 'undecided'
  assert judge(better('imp', 'snip', by=3.6), found).verdict == 'contradicted'


def on(cell_list, target):
  return [dataclasses.replace(c, target=target) for c in cell_list]


def test_pairs_that_differ_both_ways_are_not_alike():
  up = cells(ett__append=spread(6, 0.1), imp=[0.5] * 3)
  down = on(cells(ett__append=spread(-6, 0.1), imp=[0.5] * 3), 'resnet56')
  judged = judge(alike('ett', 'imp', within=1), [*up, *down])
  assert judged.difference == pytest.approx(0)
  assert judged.verdict == 'contradicted'


def test_on_average_and_everywhere_are_told_apart():
  well = cells(ett__append=spread(6, 0.5), imp=[0.5] * 3)
  barely = on(cells(ett__append=spread(1, 2), imp=[0.5] * 3), 'resnet56')
  found = [*well, *barely]
  average = judge(better('ett', 'imp'), found)
  everywhere = judge(better('ett', 'imp', everywhere=True), found)
  assert (average.verdict, everywhere.verdict) == ('supported', 'undecided')
  assert average.worst.better.target == 'resnet56'
  assert everywhere.needed > 3 and average.needed is None


def test_claims_of_one_study_are_corrected_together():
  names = [f'm{n}' for n in range(6)]
  others = {name: [0.5] * 3 for name in names}
  found = cells(imp=spread(1.0, 0.97), **others)
  paper = Paper(claims=tuple(better('imp', name) for name in names))
  judged = [one for _, one in judge_all(paper, found)]
  assert {one.verdict for one in judged} == {'undecided'}
  alone = judge(better('imp', 'm0'), found)
  assert alone.verdict == 'supported'
  assert judged[0].p_for == pytest.approx(6 * alone.p_for)
  assert judged[0].needed > 3


def test_sparsities_find_their_level():
  assert level_at(0.8926, 0.2) == 10
  assert level_at(0.90, 0.2) == 10
  assert level_at(0.92, 0.6) is None  # 93.6% is more than half a level away
  assert level_at(0.936, 0.6) == 3
  low = cells(imp=[0.9, 0.91], snip=[0.8, 0.81])
  high = [dataclasses.replace(cell, level=10) for cell in low]
  found = [*low, *high]
  at = judge(better('imp', 'snip', at=0.8926), found, 0.2)
  assert [pair.better.level for pair in at.pairs] == [10]
  assert judge(better('imp', 'snip', at=0.8926), found, 0.6) is None
  above = judge(better('imp', 'snip', above=0.5), found, 0.2)
  assert [pair.better.level for pair in above.pairs] == [10]
  below = judge(better('imp', 'snip', below=0.5), found, 0.2)
  assert [pair.better.level for pair in below.pairs] == [2]
  (number,) = beside([published('resnet32', 'imp', 92.2, at=0.8926)], found)
  assert number[1].level == 10


def test_a_gap_that_grows_with_sparsity():
  low = cells(ett__append=[0.51, 0.52, 0.53], snip=[0.5, 0.5, 0.5])
  high = [
    dataclasses.replace(c, level=9)
    for c in cells(ett__append=[0.61, 0.62, 0.63], snip=[0.5, 0.5, 0.5])
  ]
  judged = judge(better('ett', 'snip', growing=True), [*low, *high])
  assert judged.difference == pytest.approx(10)
  assert judged.verdict == 'supported'
  steady = [dataclasses.replace(cell, level=9) for cell in low]
  same = judge(better('ett', 'snip', growing=True), [*low, *steady])
  assert same.verdict == 'undecided' and same.difference == pytest.approx(0)
  assert judge(better('ett', 'snip', growing=True), low) is None


def test_a_difference_against_that_on_another_network():
  here = cells(imp=spread(4, 0.1), snip=[0.5] * 3)
  there = on(cells(imp=spread(3.5, 0.1), snip=[0.5] * 3), 'resnet20')
  claim = alike('imp', 'snip', within=1, on='resnet32', against='resnet20')
  judged = judge(claim, [*here, *there])
  assert judged.difference == pytest.approx(0.5)
  assert judged.verdict == 'supported'


def test_a_mixed_model_stands_beside_from_eight_replicates_on(monkeypatch):
  seen = []

  def model(found):
    seen.extend(found)
    return 1.5, 0.25

  monkeypatch.setattr(mixed_model, 'mixed_difference', model)
  monkeypatch.setattr(mixed_model, 'is_installed', lambda: True)
  draw = np.random.default_rng(0)

  def drawn():
    return cells(
      ett__append=draw.normal(0.6, 0.01, 8), imp=draw.normal(0.5, 0.01, 8)
    )

  many = [*drawn(), *on(drawn(), 'resnet20')]
  judged = judge(better('ett', 'imp'), many)
  assert judged.mixed == 'mixed model: +1.50 ± 0.25'
  assert len(seen) == 32 and sum(one.better for one in seen) == 16
  assert not judge(better('ett', 'imp'), many[:2]).mixed  # a single pair
  assert {one.ticket for one in seen if one.better} == {many[0].ticket}
  number = judge(better('ett', 50), many)  # is no network
  assert number and number.mixed == '' and len(seen) == 32
  few = cells(ett__append=[0.6] * 7, imp=[0.5] * 7)
  few += on(few, 'resnet20')
  assert judge(better('ett', 'imp'), few).mixed == ''
  # a network that stands beside several levels would count several times
  dense = cells(dense=draw.normal(0.5, 0.01, 8))
  levels = [dataclasses.replace(drawn()[0], level=level) for level in (1, 2)]
  assert judge(better('ett', 'dense'), [*dense, *levels]).mixed == ''
  assert len(seen) == 32
  monkeypatch.setattr(mixed_model, 'is_installed', lambda: False)
  assert judge(better('ett', 'imp'), many).mixed == ''


def test_one_network_beside_several_counts_once():
  """The floor of the variance is that of its whole weight."""
  imp, *others = [
    dataclasses.replace(cells(imp=[0.9] * 3)[0], ticket=name, resolution=0.001)
    for name in ('imp', 'a', 'b', 'c', 'd')
  ]
  pairs = [((0.25, one), (-0.25, imp)) for one in others]
  apart = comparison.contrast([part for pair in pairs for part in pair])
  once = comparison.contrast([(0.25, one) for one in others] + [(-1.0, imp)])
  assert apart.error == pytest.approx(once.error)
  assert apart.freedom == pytest.approx(once.freedom)
  assert once.error > comparison.contrast([(1.0, others[0])]).error


def test_two_replicates_that_agree_by_chance_decide_nothing():
  """One of 360 test images, twice."""
  found = [
    dataclasses.replace(cell, resolution=1 / 360)
    for cell in cells(
      ett__append=[300 / 360, 303 / 360],
      ett__interpolate=[299 / 360, 302 / 360],
    )
  ]
  judged = judge(better('ett[append]', 'ett[interpolate]'), found)
  assert judged.difference == pytest.approx(100 / 360)
  assert judged.verdict == 'undecided' and judged.margin > judged.difference


def test_a_side_may_be_a_number():
  found = cells(imp=spread(0.2, 0.1, 0.9))
  assert judge(alike('imp', 50, within=0.31), found).verdict == 'supported'
  assert judge(alike('imp', 50, within=0.29), found).verdict == 'undecided'


def test_diverged_networks_are_failures():
  rows = [
    {
      'target': 'resnet32',
      'source': 'resnet32',
      'method': method,
      'order': '',
      'level': 2,
      'replicate': replicate,
      'test_accuracy': value,
      'sparsity': 0.3,
    }
    for method, values in (('imp', [0.9, 0.91, 0.9]), ('snip', [0.8] * 3))
    for replicate, value in enumerate(values)
  ]
  lost = [rows.pop(1)]
  found = summary.cells(rows, lost)
  assert summary.text(found[0]) == '90.00 ± 0.00, 1 of 3 failed'
  judged = judge(better('imp', 'snip'), found)
  assert judged.difference == pytest.approx(100 * (0.6 - 0.8))
  assert judged.verdict == 'undecided'
  (none,) = summary.cells([], lost)
  assert summary.text(none) == '1 of 1 failed'


def test_no_claim_is_supported_that_a_pair_contradicts():
  found = cells(
    ett__append=[0.99, 0.99, 0.98],
    ett__interpolate=[0.78, 0.781, 0.78],
    snip=[0.80, 0.80, 0.80],
  )
  judged = judge(Claim.parse('ett > snip'), found)
  assert judged.difference > judged.margin
  assert judged.verdict == 'undecided' and judged.pair_contradicts
  assert judged.needed is None
  behind = judge(no_worse('ett', 'snip', within=1), found)
  assert behind.p_for < 0.05 and behind.verdict == 'undecided'
  near = judge(no_worse('ett', 'snip', within=3), found)
  assert near.verdict == 'supported' and not near.pair_contradicts


def test_claims_of_matched_tickets_are_corrected_apart():
  found = cells(
    imp=spread(1.0, 0.97), m0=[0.5] * 3, m1=[0.5] * 3, ett_matched=[0.4] * 3
  )
  papers = (better('imp', 'm0'), better('imp', 'm1'))
  matched = tuple(
    better('ett_matched', name, on=on)
    for name in ('m0', 'm1')
    for on in ((), 'resnet32')
  )
  alone = [one.p_for for _, one in judge_all(Paper(claims=papers), found)]
  both = judge_all(Paper(claims=(*papers, *matched)), found)
  assert [one.p_for for _, one in both[:2]] == alone
  assert all(one.verdict == 'contradicted' for _, one in both[2:])


def test_the_fewest_replicates_that_decide():
  """One pair that contradicts is enough; all must support."""
  far = cells(ett__append=spread(-3, 3.2), imp=[0.5] * 3)
  near = on(cells(ett__append=spread(0, 3.2), imp=[0.5] * 3), 'resnet56')
  claim = alike('ett', 'imp', within=1)
  both = judge(claim, [*far, *near])
  alone = judge(claim, far)
  assert 3 < alone.needed < both.needed < judge(claim, near).needed
  # at the level that is left for what is undecided
  paper = Paper(claims=(claim, better('ett', 'imp', on='resnet56')))
  corrected = [one.needed for _, one in judge_all(paper, [*far, *near])]
  assert corrected[0] > both.needed


def test_networks_that_only_guess_are_counted():
  rows = [
    {
      'target': 'resnet32',
      'source': 'resnet32',
      'method': method,
      'order': '',
      'level': 2,
      'replicate': replicate,
      'test_accuracy': value,
      'sparsity': 0.3,
    }
    for method, values in (('imp', (0.9, 0.8)), ('dpf', (0.1, 0.3)))
    for replicate, value in enumerate(values)
  ]
  known = summary.cells(rows, test_images=360, classes=10)
  assert judge(better('imp', 'dpf'), known).at_chance == 1
  assert judge(better('imp', 'dpf'), summary.cells(rows)).at_chance == 0
  assert judge(better('imp', 0), known).at_chance == 0


def test_claims_are_of_what_they_name_only():
  found = cells(dense=[0.9, 0.9], imp=[0.91, 0.92], snip=[0.8, 0.8])
  assert judge(Claim.parse('imp > dense'), found).verdict == 'undecided'
  assert judge(Claim.parse('imp > snip at 3'), found) is None
  assert judge(Claim.parse('imp > snip on resnet56'), found) is None
  assert judge(Claim.parse('imp > grasp'), found) is None


def test_the_highest_level_is_the_last_one_compared():
  low = cells(imp=[0.9, 0.9, 0.91], snip=[0.8, 0.8, 0.8])
  high = [dataclasses.replace(cell, level=5) for cell in low]
  further = [dataclasses.replace(low[0], level=9)]  # without a partner
  judged = judge(Claim.parse('imp > snip at highest'), [*low, *high, *further])
  assert [pair.better.level for pair in judged.pairs] == [5]


def test_published_numbers_find_ours():
  found = cells(imp=[0.91, 0.92], ett__append=[0.8, 0.8])
  numbers = [
    Published.parse(text)
    for text in (
      'resnet32 imp at 2: 92.2',
      'resnet32 ett from resnet14 at 2: 91',
      'resnet32 ett from resnet20 at 2: 91',
    )
  ]
  assert [cell and cell.method for _, cell in beside(numbers, found)] == [
    'imp',
    None,
    'ett',
  ]


def test_the_transfer_matrix_is_against_the_targets_own_imp():
  low = cells(imp=[0.9, 0.92], ett__append=[0.88, 0.91], ett__other=[0.5, 0.5])
  high = [dataclasses.replace(cell, level=5) for cell in low]
  ((pair, found),) = comparison.transfers([*low, *high]).items()
  assert pair == ('ResNet-20', 'ResNet-32')
  assert (found.better.level, found.better.order) == (5, 'append')
  assert found.difference == pytest.approx(-0.015)
  assert comparison.transfers(cells(ett__append=[0.9])) == {}
