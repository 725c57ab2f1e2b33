"""Tests over replicates: against scipy, and by simulation."""

import dataclasses
import math

import numpy as np
import pytest
from scipy import stats

from elth_jax.statistics import (
  Difference,
  holm,
  mixed,
  replicates_needed,
  sum_of_means,
)

TIMES = 2000


def test_one_sample_is_students_test():
  values = [0.2, 0.5, -0.1, 0.4]
  found = sum_of_means([values])
  test = stats.ttest_1samp(values, 0.05, alternative='greater')
  assert found.p_above(0.05) == pytest.approx(test.pvalue)
  low, high = stats.ttest_1samp(values, 0).confidence_interval(0.9)
  assert found.mean - found.margin(0.9) == pytest.approx(low)
  assert found.mean + found.margin(0.9) == pytest.approx(high)


def test_two_samples_are_welchs_test():
  one, other = [1.0, 2.0, 4.0], [0.5, 0.6, 0.4, 0.7]
  found = sum_of_means([one, [-v for v in other]])
  test = stats.ttest_ind(one, other, equal_var=False, alternative='less')
  assert found.p_below(0) == pytest.approx(test.pvalue)
  assert found.freedom == pytest.approx(test.df)
  low, high = stats.ttest_ind(one, other, equal_var=False).confidence_interval()
  assert found.margin() == pytest.approx((high - low) / 2)


def test_what_has_no_spread():
  one = sum_of_means([[0.5]])
  assert one.margin() == math.inf and one.p_above(-9) == 1
  same = sum_of_means([[0.1 + 0.2, 0.3, 0.3]])
  assert same.error == 0 and same.p_above(0) == 0 and same.p_below(0) == 1
  assert sum_of_means([], 0.7).p_above(0.6) == 0


def test_few_replicates_may_agree_by_chance():
  """Values in steps of 1: two that are equal do not say that all would be."""
  rounded = sum_of_means([[3.0, 3.0]], least=[1 / 12])
  assert rounded.error == pytest.approx(math.sqrt(1 / 24))
  assert rounded.freedom == 1 and 0.02 < rounded.p_above(0) < 0.05
  spread = [[1.0, 3.0, 8.0]]
  assert sum_of_means(spread, least=[1 / 12]) == sum_of_means(spread)


@pytest.mark.parametrize('replicates', [3, 5, 10])
@pytest.mark.parametrize('spread', [1.0, 4.0])
def test_intervals_cover_what_they_say(replicates, spread):
  draw = np.random.default_rng(replicates)
  hits = 0
  for _ in range(TIMES):
    one = draw.normal(3, 1, replicates)
    other = draw.normal(1, spread, replicates)
    found = sum_of_means([one, -other])
    hits += abs(found.mean - 2) <= found.margin(0.95)
  assert hits / TIMES >= 0.93


@pytest.mark.parametrize('pairs', [1, 4])
def test_two_one_sided_tests_keep_their_level(pairs):
  """At the bound itself, in all pairs, at most 5% are called equal."""
  draw = np.random.default_rng(pairs)
  wrong = 0
  for _ in range(TIMES):
    samples = draw.normal(1.0, 0.2, (pairs, 5))
    wrong += all(sum_of_means([s]).p_within(1.0) < 0.05 for s in samples)
  assert wrong / TIMES <= 0.065
  assert pairs > 1 or wrong / TIMES >= 0.03  # it does call some


def test_what_is_equal_is_rarely_called_different():
  """With an error far above the bound, where both sides may be crossed."""
  draw = np.random.default_rng(0)
  samples = draw.normal(0, 1, (TIMES, 5))
  wrong = sum(sum_of_means([one]).p_outside(0.05) < 0.05 for one in samples)
  assert 0.02 < wrong / TIMES <= 0.06


def test_pairs_that_differ_both_ways_are_not_alike():
  up, down = (sum_of_means([[sign * 6.0, sign * 6.1]]) for sign in (1, -1))
  assert up.p_within(1) > 0.9 and down.p_within(1) > 0.9
  assert up.p_outside(1) < 0.05


def test_holm_keeps_the_level_of_all_tests_together():
  draw = np.random.default_rng(0)
  raw, corrected = 0, 0
  for _ in range(TIMES):
    values = stats.ttest_1samp(draw.normal(0, 1, (8, 5)), 0, axis=1).pvalue
    raw += min(values) < 0.05
    corrected += min(holm(values)) < 0.05
  assert corrected / TIMES <= 0.065
  assert raw / TIMES > 0.2  # without it there would be many


def test_holm_is_the_textbooks():
  assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx(
    [0.03, 0.06, 0.06, 0.02]
  )
  assert holm([]) == []


@pytest.mark.parametrize(
  ('mean', 'bound', 'within', 'level'),
  [
    (1.0, 0.0, False, 0.025),
    (-0.6, 0.0, False, 0.05),
    (1.0, 0.0, False, 0.001),
    (0.1, 1.0, True, 0.05),
    (2.0, 1.0, True, 0.025),
  ],
)
def test_as_many_replicates_as_are_said_decide(mean, bound, within, level):
  found = Difference(mean, 1 / math.sqrt(3), 2, 3)  # a spread of 1
  needed = replicates_needed(found, bound, within, level)
  draw = np.random.default_rng(3)

  def decided(replicates):
    hits = 0
    for _ in range(TIMES):
      one = sum_of_means([draw.normal(mean, 1, replicates)])
      if within:
        hits += min(one.p_within(bound), one.p_outside(bound) / 2) < level
      else:
        hits += min(one.p_above(bound), one.p_below(bound)) < level
    return hits / TIMES

  assert decided(needed) == pytest.approx(0.82, abs=0.05)
  assert decided(max(needed // 2, 2)) < 0.75


def test_power_without_a_spread():
  assert replicates_needed(sum_of_means([[1.0]]), 0) is None
  assert replicates_needed(sum_of_means([[1.0, 1.0]]), 0) == 2
  assert replicates_needed(Difference(1e-9, 1.0, 2, 3), 0) is None


def observations(replicates, difference, ticket_spread=1.0):
  draw = np.random.default_rng(1)
  found = []
  for replicate in range(replicates):
    common = draw.normal(0, ticket_spread)
    for target, level in (('a', 50.0), ('b', 60.0)):
      for better in (False, True):
        value = level + common + difference * better + draw.normal(0, 0.1)
        found.append(
          mixed.Observation(value, better, target, replicate, 'resnet20')
        )
  return found


def test_a_mixed_model_needs_enough_replicates():
  with pytest.raises(mixed.MixedModelError, match='needs 8 replicates'):
    mixed.mixed_difference(observations(7, 0.5))


def test_a_mixed_model_takes_what_replicates_have_in_common_out():
  pytest.importorskip('statsmodels')
  mean, margin = mixed.mixed_difference(observations(8, 0.5))
  assert abs(mean - 0.5) < margin < 0.15  # the replicates' own spread is 1


def test_a_mixed_model_knows_replicates_beside_tickets():
  """One side's ticket is trained twice, the other's networks are apart."""
  pytest.importorskip('statsmodels')
  found = [
    one if one.better else dataclasses.replace(one, ticket=one.stratum)
    for one in observations(8, 0.5)
  ]
  mean, margin = mixed.mixed_difference(found)
  assert abs(mean - 0.5) < margin < 0.15  # the replicates' own spread is 1


def test_a_mixed_model_of_tickets_trained_once_has_an_interval():
  """Nothing tells such tickets' spread from that of their trainings."""
  pytest.importorskip('statsmodels')
  found = [
    dataclasses.replace(one, ticket=f'{one.stratum} {one.better}')
    for one in observations(8, 0.5)
  ]
  mean, margin = mixed.mixed_difference(found)
  # 16 paired differences, each with a standard deviation of 0.1 times sqrt(2)
  assert 0.04 < margin < 0.12 and abs(mean - 0.5) < margin
