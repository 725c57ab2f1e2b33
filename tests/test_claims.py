"""What papers claim, read from text and tested on invented results."""

import dataclasses

import numpy as np
import pytest
from scipy import stats

from elth_jax.claims import Claim, Published, Side
from elth_jax.report import summary
from elth_jax.report.verdicts import beside, judge


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


def test_one_test_over_replicates_of_the_mean_over_pairs():
  found = cells(
    ett__append=[0.90, 0.92, 0.91],
    ett__interpolate=[0.89, 0.93, 0.90],
    snip=[0.80, 0.86, 0.82],
  )
  judged = judge(Claim.parse('ett > snip'), found)
  assert len(judged.pairs) == 2
  means = np.array([0.895, 0.925, 0.905]) - [0.80, 0.86, 0.82]
  low, high = stats.ttest_1samp(100 * means, 0).confidence_interval()
  assert judged.difference - judged.margin == pytest.approx(low)
  assert judged.difference + judged.margin == pytest.approx(high)
  assert judged.verdict == 'supported'


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


def test_no_claim_is_supported_that_a_pair_contradicts():
  found = cells(
    ett__append=[0.99, 0.99, 0.98],
    ett__interpolate=[0.78, 0.781, 0.78],
    snip=[0.80, 0.80, 0.80],
  )
  judged = judge(Claim.parse('ett > snip'), found)
  assert judged.difference > judged.margin
  assert judged.verdict == 'undecided'


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
  ((pair, found),) = summary.transfers([*low, *high]).items()
  assert pair == ('ResNet-20', 'ResNet-32')
  assert (found.better.level, found.better.order) == (5, 'append')
  assert found.difference == pytest.approx(-0.015)
  assert summary.transfers(cells(ett__append=[0.9])) == {}
