"""What is measured beside accuracy, the budget gate, and pooled studies."""

import dataclasses
import math

import pytest
import scipy.stats

from elth_jax.report import budget, hypothesis, measures, overview, summary
from elth_jax.report.amortisation import training_times
from elth_jax.report.comparison import compare, sparsity_note
from elth_jax.report.evidence import Evidence, pooled
from elth_jax.report.overview import Stated, read_list
from elth_jax.report.verdicts import judge, judge_all
from elth_jax.study.claims import Claim, better
from elth_jax.study.spec import Paper, StudySpec
from elth_jax.training.recipe import Recipe

SPEC = StudySpec(
  dataset='tiny',
  sources=('resnet20',),
  targets=('resnet32', 'resnet44'),
  recipe=Recipe(),
  levels=2,
  compare_levels=(2,),
)


def row(method, replicate, accuracy, target='resnet32', **more):
  dense = method.startswith('dense')
  return {
    'dataset': 'tiny',
    'target': target,
    'source': 'resnet20' if method == 'ett' else target,
    'method': method,
    'order': 'append' if method == 'ett' else '',
    'level': 0 if dense else 2,
    'replicate': replicate,
    'test_accuracy': accuracy,
    'sparsity': 0.0 if dense else 0.36,
    'train_flops': 10.0 if dense else 6.4,
    'search_flops': 0.0 if dense else 20.0,
    'node': f'{target}-r{replicate}-{method}',
    'key': f'{target} {method} {accuracy}',
    **more,
  }


ROWS = [
  row('dense', 0, 0.90),
  row('dense', 1, 0.92),
  row('imp', 0, 0.91),
  row('imp', 1, 0.91),
  row('ett', 0, 0.89, sparsity=0.30),
  row('ett', 1, 0.88, sparsity=0.31),
]


def of(cells, method):
  (cell,) = (cell for cell in cells if cell.method == method)
  return cell


def test_drops_are_below_the_dense_network_of_the_replicate():
  drops = measures.drops(summary.cells(ROWS))
  assert of(drops, 'drop_imp').accuracy == {
    0: pytest.approx(-0.01),
    1: pytest.approx(0.01),
  }
  claim = Claim.parse('drop_ett > drop_imp')
  assert judge(claim, drops).difference == pytest.approx(2.5)


def test_sparsities_are_compared_as_accuracies_are():
  cells = measures.sparsities(ROWS)
  assert 100 * of(cells, 'sparsity_ett').mean == pytest.approx(30.5)
  judged = judge(Claim.parse('sparsity_imp > sparsity_ett'), cells)
  assert judged.difference == pytest.approx(5.5)


def test_networks_that_overtake_the_dense_one():
  """IMP trains longer in all, which a converged network gains nothing from."""

  def told(*gains):
    """By replicates of IMP that are so much better than the dense network."""
    dense = [{**ROWS[0], 'replicate': n} for n in range(len(gains))]
    imp = [
      {**ROWS[2], 'replicate': n, 'test_accuracy': d['test_accuracy'] + gain}
      for n, (d, gain) in enumerate(zip(dense, gains, strict=True))
    ]
    found = summary.cells([*dense, *imp], test_images=1000)
    return budget.outgrown(found), budget.converged(found, None)

  assert told(0.02, 0.021, 0.022) == ('no', 'no')
  assert told(0.005, 0.03, 0.016) == ('not certain', 'unknown')
  assert told(0.05) == ('not certain', 'unknown')
  assert told(0.005, 0.006) == (None, 'unknown')


def test_costs_count_the_source_s_own_network():
  """One search and two networks, as for whoever trains both from scratch."""
  more = [*ROWS, row('imp', 0, 0.9, 'resnet20'), row('imp', 1, 0.9, 'resnet20')]
  cells = measures.costs(more, SPEC)
  assert 100 * of(cells, 'cost_ett').mean == pytest.approx(2 + 2 * 0.64)
  assert 100 * of(cells, 'cost_imp').mean == pytest.approx(2 * 2.64)


def test_costs_are_of_all_targets_and_exact():
  more = [*ROWS, *(row('ett', r, 0.9, 'resnet44') for r in (0, 1))]
  cells = measures.costs(more, SPEC)
  # one search for both, in dense trainings of 10
  assert 100 * of(cells, 'cost_ett').mean == pytest.approx(2 + 2 * 0.64)
  assert 100 * of(cells, 'cost_imp').mean == pytest.approx(2.64)
  claim = Claim.parse('cost_ett > cost_imp on all')
  judged = judge(claim, cells)
  assert judged.verdict == 'supported' and judged.margin == 0


def test_a_diverged_run_makes_no_method_cheaper():
  imp = [row('imp', r, 0.9, 'resnet44') for r in (0, 1)]
  cells = measures.costs([*ROWS, *imp[1:]], SPEC)
  assert of(cells, 'cost_imp').accuracy.keys() == {1}
  without = ('test_accuracy', 'sparsity', 'train_flops', 'search_flops')
  lost = [
    {name: v for name, v in one.items() if name not in without} for one in imp
  ]
  timed = [{**r, 'train_seconds': 36, 'search_seconds': 72} for r in ROWS]
  cells = measures.costs(ROWS, SPEC, timed, lost)
  methods = {cell.method for cell in cells}
  assert methods == {'cost_ett', 'hours_ett'}


def test_hours_are_of_the_machine():
  timed = [{**r, 'train_seconds': 3600, 'search_seconds': 7200} for r in ROWS]
  cells = measures.all_measures([], ROWS, SPEC, timed)
  assert 100 * of(cells, 'hours_imp').mean == pytest.approx(3)
  assert 100 * of(cells, 'hours_dense').mean == pytest.approx(1)
  assert not of(cells, 'hours_imp').exact
  # the first replicate waited for a compiler
  slow = {**timed[3], 'replicate': 2, 'train_seconds': 10 * 3600}
  (cost,) = (c for c in training_times([*timed, slow], 2) if c.method == 'imp')
  assert cost.runs == 3600


def test_layers_and_barriers_are_cells():
  about = {'target': 'vgg13', 'source': 'vgg13', 'method': 'imp', 'level': 2}
  found = [
    ({**about, 'replicate': r}, place, value)
    for r in (0, 1)
    for place, value in (('first', 0.1), ('last', 0.9))
  ]
  cells = measures.layers(found)
  assert of(cells, 'first_imp').mean == pytest.approx(0.1)
  assert math.isnan(of(cells, 'last_imp').sparsity)
  assert judge(Claim.parse('last_imp > first_imp'), cells).difference == 80
  (barrier,) = measures.barriers([({**about, 'replicate': 0}, 0.2)])
  assert barrier.method == 'barrier_imp'


@pytest.mark.parametrize(
  ('gain', 'passed', 'words'),
  [
    ((0.004, 0.004), True, 'it has converged'),
    ((-0.026, 0.034), False, 'more replicates would have to tell'),
    ((0.03, 0.03), False, 'it has not converged'),
    ((-0.3, -0.3), False, 'some fail at times'),
  ],
)
def test_the_budget_gate(gain, passed, words):
  longer = [
    {**r, 'method': 'dense_doubled', 'test_accuracy': r['test_accuracy'] + more}
    for r, more in zip(ROWS[:2], gain, strict=True)
  ]
  gate = budget.gate([*ROWS, *longer])
  assert gate.passed == passed
  assert words in str(gate) and f'ResNet-32 {50 * sum(gain):+.2f}' in str(gate)
  assert gate.failed == ('not converged' in words)
  assert budget.gate(ROWS) is None
  # they are no cells of their own
  assert len(summary.cells([*ROWS, *longer])) == len(summary.cells(ROWS))


def test_comparisons_of_elastic_tickets_say_whether_they_are_matched():
  dense, imp, ett = summary.cells(ROWS)
  assert sparsity_note([compare(ett, imp)]) == '30.5% against 36.0%'
  matched = dataclasses.replace(ett, sparsity=imp.sparsity + 1e-5)
  assert sparsity_note([compare(matched, imp)]) == 'matched'
  assert sparsity_note([compare(imp, dense)]) == ''
  assert summary.text_with_sparsity(ett) == '88.50 ± 0.71 (30.5%)'


def part(seed, replicates=1):
  spec = dataclasses.replace(SPEC, seed=seed, replicates=replicates)
  rows = [
    {**r, 'key': f'{r["method"]} {seed + r["replicate"]}'}
    for r in ROWS
    if r['replicate'] < replicates
  ]
  return Evidence(spec, rows, seconds={'resnet32-r0-imp': (1.0, 2.0)})


def test_parts_of_one_study_are_pooled_by_seed():
  (whole,) = pooled([part(0, 2), part(1), part(2)])
  replicates = {row['replicate'] for row in whole.rows}
  assert replicates == {0, 1, 2} and whole.spec.replicates == 3
  for method in ('dense', 'imp', 'ett'):  # a run in two parts counts once
    of_method = [row for row in whole.rows if row['method'] == method]
    assert [row['replicate'] for row in of_method] == [0, 1, 2]
  assert {row['replicate'] for row in whole.timed} == {0, 2}
  assert whole.ran == ''
  parts = [
    dataclasses.replace(part(n), ran=f'run {text}.')
    for n, text in enumerate('aba')
  ]
  assert pooled(parts)[0].ran == 'run a; run b.'
  other = dataclasses.replace(part(3).spec, width=4)
  assert len(pooled([part(0), Evidence(other, ROWS)])) == 2
  analyses = dataclasses.replace(SPEC.analyses, doubled=True)
  longer = dataclasses.replace(part(3).spec, analyses=analyses)
  assert len(pooled([part(0), Evidence(longer, ROWS)])) == 1


def test_methods_that_share_a_run_are_both_pooled():
  """As IMP and one-shot pruning at the first level: their keys are equal."""
  both = [row('imp', 0, 0.9, key='one'), row('imp_oneshot', 0, 0.9, key='one')]
  (whole,) = pooled([Evidence(SPEC, both), part(1)])
  assert [r['replicate'] for r in whole.rows if r['key'] == 'one'] == [0, 0]


def test_a_run_that_was_trained_in_two_ways_is_refused():
  mended = Evidence(SPEC, [{**r, 'key': 'new'} for r in part(0).rows])
  with pytest.raises(
    ValueError, match=r'resnet32-r0-dense of seed 0 was .* two'
  ):
    pooled([part(0), mended])


def test_a_diverged_run_in_two_parts_counts_once():
  parts = [
    dataclasses.replace(part(0), diverged=[row('gmp', 1, math.nan, key='a')]),
    dataclasses.replace(part(1), diverged=[row('gmp', 0, math.nan, key='a')]),
  ]
  (whole,) = pooled(parts)
  assert [one['replicate'] for one in whole.diverged] == [1]
  assert whole.spec.replicates == 2
  # it was trained again, and finished
  again = Evidence(part(1).spec, [row('gmp', 0, 0.9, key='a')])
  (whole,) = pooled([*parts, again])
  assert not whole.diverged


LISTED = 'id,paper,where,kind,says,experiments,flops,lines\n'


def test_the_overview_has_a_line_for_each_claim(tmp_path):
  path = tmp_path / 'claims.csv'
  path.write_text(
    f'{LISTED}7,P,figure 1,claim,tickets win,a.py,1e9,1\n'
    '8,P,figure 2,claim,nobody asked,b.py,2e19,1\n'
    '9,P,table 1,setup,a recipe,a.py,0,0\n'
  )
  paper = Paper(
    claims=(
      better('imp', 'ett', where='claim 7'),
      better('imp', 'snip', where='claims 7 8'),
    )
  )
  judged = judge_all(paper, summary.cells(ROWS))
  stated = [Stated('P, figure 1', 'small', *one, 'no') for one in judged]
  text = '\n'.join(
    [
      *overview.in_short(stated, {'P, figure 1': 'no', 'Q': 'yes'}),
      *overview.table(stated, read_list(path)),
      *overview.undecided(stated),
    ]
  )
  counts = '| no | 1 | 0 | 0 | 1 | P, figure 1 |'
  assert '| yes | 0 | 0 | 0 | 0 | Q |' in text and counts in text
  assert 'in 2 lines, 1 of them on' in text and 'tested 1 time, once' in text
  row = next(r for r in text.splitlines() if r.startswith('| 7 |'))
  assert 'win | **undecided** | 1 of 1 | no | small: 1 undecided |' in row
  assert 'not tested | 0 of 1 | | 2e+19 FLOPs, `b.py` |' in text
  assert '| 9 |' not in text
  text = '\n'.join(overview.table(stated, read_list(path), {7, 8}))
  assert 'nobody asked | [computed](#costs-computed) | | |' in text
  path.write_text('id,paper\n')
  with pytest.raises(ValueError, match='lacks experiments, flops, kind, lines'):
    read_list(path)


@pytest.mark.parametrize(
  ('lines', 'of', 'found'),
  [
    ([('yes', 'supported'), ('no', 'contradicted')], 1, 'supported | yes'),
    (
      [('yes', 'undecided'), ('unknown', 'supported')],
      1,
      'supported in part | yes, unknown',
    ),
    (
      [('no', 'contradicted'), ('no', 'supported'), ('no', 'undecided')],
      1,
      'mixed | no',
    ),
    ([('not certain', 'contradicted')], 1, 'contradicted | not certain'),
    ([('yes', 'supported')], 2, 'supported in part | yes'),
  ],
)
def test_the_verdict_of_a_claim_is_of_networks_trained_long_enough(
  tmp_path, lines, of, found
):
  """Matched tickets are no tickets of the paper, and do not change it."""
  path = tmp_path / 'claims.csv'
  path.write_text(f'{LISTED}7,P,figure 1,claim,tickets win,a.py,1e9,{of}\n')
  paper = Paper(claims=(better('imp', 'ett', where='claim 7'),))
  ((claim, judged),) = judge_all(paper, summary.cells(ROWS))
  p_values = {  # for it, against it
    'supported': (0.01, 1.0),
    'contradicted': (1.0, 0.01),
    'undecided': (1.0, 1.0),
  }
  matched = better('ett_matched', 'imp', where='claim 7')
  stated = [
    Stated(
      'P',
      'small',
      one,
      dataclasses.replace(judged, p_for=p_for, p_against=p_against),
      answer,
    )
    for answer, (p_for, p_against), one in [
      *((answer, p_values[verdict], claim) for answer, verdict in lines),
      ('yes', p_values['undecided'], matched),
    ]
  ]
  text = '\n'.join(overview.table(stated, read_list(path)))
  verdict, converged = found.split(' | ')
  cells = f'tickets win | **{verdict}** | 1 of {of} | {converged} | '
  assert cells in text and f'1 {verdict}' in text
  assert 'small, matched: 1 undecided |' in text


@pytest.mark.parametrize(
  ('accuracies', 'far'),
  [
    ((0.95, 0.96, 0.94, 0.96, 0.41), [0.41]),
    ((0.95, 0.96, 0.94, 0.96, 0.87), []),  # less than ten points
    ((0.95, 0.5, 0.8, 0.3, 0.1), []),  # all of them differ
    ((0.95, 0.96, 0.41), []),  # too few to tell
  ],
)
def test_networks_that_fail_where_others_of_their_kind_do_not(accuracies, far):
  rows = [row('imp', n, value) for n, value in enumerate(accuracies)]
  (cell,) = summary.cells(rows)
  assert cell.far_below == far


@pytest.mark.parametrize('failing', ['imp', 'ett'])
def test_only_where_imp_fails_there_is_nothing_to_compare_with(failing):
  rows = [
    row(method, number, value, 'resnet32')
    for method in ('imp', 'ett')
    for number, value in enumerate((0.9, 0.1 if method == failing else 0.91))
  ]
  found = summary.cells(rows, test_images=1000, classes=10)
  (one,) = hypothesis.tested([hypothesis.Findings('figure', found, None)])
  text = '\n'.join([*hypothesis.section([one]), *hypothesis.all_pairs([one])])
  if failing == 'imp':
    assert '| unknown | ETT | 1 |  | |  | 0 | 0 | 0 | 1 |' in text
    assert text.rstrip().endswith('| **IMP fails** |')
  else:  # as any other ticket that is worse
    assert '| unknown | ETT | 1 | -40.50 | ' in text
    assert text.rstrip().endswith('| undecided \N{DAGGER} |')


def test_elastic_tickets_are_tested_against_the_target_s_own_imp():
  """By scipy's Welch test; the second order and other widths are left out."""
  imp = [0.900, 0.905, 0.895, 0.901]
  near, far = [0.899, 0.902, 0.897, 0.900], [0.850, 0.855, 0.846, 0.851]
  rows = [
    row(method, number, value, target, **more)
    for method, values, target, more in [
      ('imp', imp, 'resnet32', {}),
      ('imp', imp, 'resnet44', {}),
      ('ett', near, 'resnet32', {}),
      ('ett', far, 'resnet32', {'order': 'interpolate'}),
      ('ett', far, 'resnet44', {'sparsity': 0.30}),
      ('ett', near, 'resnet44', {'source': 'resnet44'}),
    ]
    for number, value in enumerate(values)
  ]
  gate = budget.gate(
    [
      row(method, number, value, target)
      for target, doubled in [('resnet32', 0.905), ('resnet44', 0.92)]
      for method, value in [('dense', 0.9), ('dense_doubled', doubled)]
      for number in range(2)
    ]
  )
  one, other = hypothesis.tested(
    [hypothesis.Findings('figure', summary.cells(rows), gate)]
  )
  assert (one.verdict, one.converged) == ('comparable', 'yes (+0.50)')
  assert other.verdict == 'behind'
  assert other.converged == 'no (+2.00)'
  found = scipy.stats.ttest_ind(near, imp, equal_var=False)
  low, high = (100 * end for end in found.confidence_interval(0.9))
  text = '\n'.join(hypothesis.all_pairs([one, other]))
  assert (
    f'{(low + high) / 2:+.2f} ± {(high - low) / 2:.2f} | 4 | yes (+0.50) |'
    in text
  )
  assert '36.0%, matched' in text and '30.0% and 36.0%' in text
  few = [one for one in rows if one['replicate'] == 0]
  alone = hypothesis.tested(
    [hypothesis.Findings('figure', summary.cells(few), None)]
  )
  assert {(one.verdict, one.converged) for one in alone} == {
    ('undecided', 'unknown')
  }
  text = '\n'.join(hypothesis.section([one, other]))
  mean = 50 * (sum(near) + sum(far) - 2 * sum(imp)) / 4
  assert f'| figure | no | ETT | 2 | {mean:+.2f} | ' in text
  assert text.rstrip().endswith('ResNet-32 | 1 | 1 | 0 | 0 |')
  assert not [*hypothesis.section([]), *hypothesis.all_pairs([])]
  # networks that are in two studies count in the larger one
  smaller = [one for one in rows if one['replicate'] < 3]
  part = hypothesis.Findings('part', summary.cells(smaller), None)
  whole = hypothesis.Findings('whole', summary.cells(rows), gate)
  twice = hypothesis.tested([part, whole])
  assert [one.study for one in twice] == ['whole', 'whole']
  same = hypothesis.tested([whole, dataclasses.replace(whole, name='again')])
  assert [one.study for one in same] == ['whole', 'whole']
  # of equal networks, to the study with more pairs
  one_pair = [r for r in rows if r['target'] == 'resnet32']
  few_pairs = hypothesis.Findings('figure', summary.cells(one_pair), None)
  same = hypothesis.tested([few_pairs, whole])
  assert [one.study for one in same] == ['whole', 'whole']
  # a margin that is claimed
  claims = [
    Claim.parse(text)
    for text in ('ett ~ imp within 0.3', 'ett >= dpf within 0.1', 'ett > imp')
  ]
  assert hypothesis.margin_of(claims) == 0.3
  assert hypothesis.margin_of(claims[1:]) == 1
  loose = hypothesis.tested([dataclasses.replace(whole, margin=50.0)])
  assert [one.verdict for one in loose] == ['comparable', 'comparable']
