import dataclasses
import io
import math

import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy import stats

from elth_jax import Plan
from elth_jax.report import comparison, figures, heat, summary
from elth_jax.report.accuracy_chart import charts
from elth_jax.report.colours import contrast
from elth_jax.report.headline import headline
from elth_jax.report.strips import Strips
from elth_jax.report.styles import drawn_sparsity, series_of
from elth_jax.report.svg import rounded
from elth_jax.tickets import drawing


def row(method, level, replicate, accuracy, sparsity, **more):
  return {
    'target': 'resnet32',
    'source': 'resnet20' if method == 'ett' else 'resnet32',
    'method': method,
    'order': 'append' if method == 'ett' else '',
    'level': level,
    'replicate': replicate,
    'test_accuracy': accuracy,
    'sparsity': sparsity,
    **more,
  }


ROWS = [
  row('dense', 0, 0, 0.90, 0.0),
  row('dense', 0, 1, 0.92, 0.0),
  *(row('imp', 2, r, a, 0.36) for r, a in enumerate([0.91, 0.93, 0.92])),
  *(row('ett', 2, r, a, 0.37) for r, a in enumerate([0.90, 0.92, 0.91])),
  *(row('random', 2, r, a, 0.36) for r, a in enumerate([0.80, 0.83, 0.80])),
  *(row('reinit', 2, r, a, 0.36) for r, a in enumerate([0.95, 0.80, 0.95])),
]


def test_cells_are_means_over_replicates():
  cells = summary.cells(ROWS)
  labels = [cell.label for cell in cells]
  assert labels == [
    'Dense',
    'IMP',
    'ETT from ResNet-20 (append)',
    'Random',
    'Reinit',
  ]
  assert cells[1].mean == pytest.approx(0.92)
  assert cells[1].std == pytest.approx(np.std([0.91, 0.93, 0.92], ddof=1))


def test_claims_are_decided_by_welchs_test_and_corrected():
  claims = {
    (c.better.method, c.worse.method): c
    for c in comparison.claims(summary.cells(ROWS))
  }
  assert claims.keys() == {
    (a, b) for a in ('imp', 'ett') for b in ('random', 'reinit')
  }
  claim = claims['imp', 'random']
  test = stats.ttest_ind(
    [0.91, 0.93, 0.92], [0.80, 0.83, 0.80], equal_var=False
  )
  low, high = test.confidence_interval()
  assert claim.difference - claim.margin == pytest.approx(low)
  assert claim.difference + claim.margin == pytest.approx(high)
  assert claim.p == pytest.approx(4 * test.pvalue)  # the smallest of four
  assert claim.verdict == 'supported'
  assert claims['imp', 'reinit'].verdict == 'undecided'


def test_what_data_contradicts_or_cannot_decide_is_said():
  swapped = [
    {**r, 'method': {'imp': 'random', 'random': 'imp'}.get(r['method'])}
    for r in ROWS
    if r['method'] in ('imp', 'random')
  ]
  (claim,) = comparison.claims(summary.cells(swapped))
  assert claim.verdict == 'contradicted'
  single = [r for r in swapped if r['replicate'] == 0]
  (claim,) = comparison.claims(summary.cells(single))
  assert claim.verdict == 'undecided' and claim.margin == math.inf


def test_tables_have_a_column_for_each_level_compared():
  ((target, heads, table),) = summary.tables(summary.cells(ROWS))
  assert target == 'resnet32'
  assert heads == ['dense', '36.00%']
  assert [label for label, _ in table][:2] == ['Dense', 'IMP']
  assert summary.text(table[1][1][1]) == '92.00 ± 1.00'
  assert '92.00 ± 1.00' in summary.to_text(ROWS)


def test_accuracy_figure_shows_every_method_and_the_dense_line():
  more = [
    *ROWS,
    *(row(method, 4, 0, 0.9, 0.59) for method in ('imp', 'random')),
  ]
  figure = figures.accuracy(['resnet32'], summary.cells(more))
  (axes,) = figure.axes
  labels = [text.get_text() for text in axes.get_legend().get_texts()]
  assert labels == [
    'IMP',
    'ETT from ResNet-20 (append)',
    'Random',
    'Reinit',
    'Dense (mean of 2)',
  ]
  styles = {(line.get_color(), line.get_marker()) for line in axes.lines}
  assert len(styles) == len(axes.lines)
  bars = [c for c in axes.collections if len(c.get_paths()[0].vertices) == 2]
  assert len(bars) == 2  # ETT and Reinit have one level only: no bands
  ticks = [text.get_text() for text in axes.get_xticklabels()]
  assert ticks == ['36.0', '59.0']


@pytest.mark.parametrize('levels_of_imp', [(), (1, 3)])
def test_one_level_is_a_row_for_each_method(levels_of_imp):
  """Levels that IMP alone went through are no comparison."""
  more = [row('imp', level, 0, 0.9, 0.2) for level in levels_of_imp]
  figure = figures.accuracy(['resnet32'], summary.cells([*ROWS, *more]))
  (axes,) = figure.axes
  assert [text.get_text() for text in axes.get_yticklabels()] == [
    'IMP, 36.0%',
    'ETT from ResNet-20 (append), 37.0%',
    'Random, 36.0%',
    'Reinit, 36.0%',
  ]
  points = [line for line in axes.lines if line.get_marker() == '.']
  np.testing.assert_allclose(points[0].get_xdata(), [91, 93, 92])


HAVE = {'stage1': 3, 'stage2': 3, 'stage3': 3}


def test_transformation_figure_names_every_unit():
  plan = Plan.parse('0:0;1:1,3;2:2,4', stages=3)
  figure = drawing.transformation('resnet20', 'resnet32', plan, HAVE)
  assert len(figure.axes) == 3
  for axes in figure.axes:
    assert [t.get_text() for t in axes.texts] == list('012') + list('01212')


def test_layer_figure_has_a_bar_for_each_leaf():
  densities = {'stem/kernel': 0.9, 'stage1/block0/conv1/kernel': 0.1}
  figure = drawing.layer_sparsity({'one': densities, 'two': densities}, 'title')
  assert isinstance(figure, Figure)
  heights = [round(bar.get_height()) for bar in figure.axes[0].patches]
  assert heights == [10, 90]


def test_tables_of_etts_alone_name_their_sparsity():
  etts = [r for r in ROWS if r['method'] == 'ett']
  ((_, heads, _),) = summary.tables(summary.cells(etts))
  assert heads == ['dense', '37.00%']


def test_heads_of_tables_have_imp_s_sparsity_not_that_of_other_layers():
  layerwise = [
    {**r, 'method': 'imp_layerwise', 'sparsity': 0.35}
    for r in ROWS
    if r['method'] == 'imp' and r['level'] == 2
  ]
  for rows in ([*ROWS, *layerwise], [*layerwise, *ROWS]):
    ((_, heads, _),) = summary.tables(summary.cells(rows))
    assert heads == ['dense', '36.00%']


def test_a_target_may_have_nothing_but_its_dense_network():
  rows = [r for r in ROWS if r['method'] in ('dense', 'ett')]
  rows.append({**rows[0], 'target': 'resnet20', 'source': 'resnet20'})
  targets = ['resnet32', 'resnet20']
  figure = figures.accuracy(targets, summary.cells(rows))
  assert len(figure.axes) == 2
  figure.savefig(io.BytesIO())


def test_networks_that_fail_leave_the_others_apart():
  """The axis starts at the others; a mean to the left of it is written."""
  (axes,) = figures.accuracy(['resnet32'], summary.cells(ROWS)).axes
  assert axes.get_xlim()[0] < 80 and not axes.texts[1:]  # all are shown
  fails = [row('snip', 2, r, a, 0.36) for r, a in enumerate([0.1, 0.2, 0.12])]
  usual = [r for r in ROWS if r['test_accuracy'] > 0.85]
  (axes,) = figures.accuracy(['resnet32'], summary.cells([*usual, *fails])).axes
  first, last = axes.get_xlim()
  assert 85 < first < 90 and 95 < last < 100
  assert [text.get_text() for text in axes.texts] == ['dense', '← 14.0 ± 5.3']


def test_lines_of_networks_that_fail_leave_the_axis():
  usual = [r for r in ROWS if r['test_accuracy'] > 0.85]
  more = [row('imp', 4, r, 0.88, 0.59) for r in range(3)]
  fails = [
    row('dpf', n, r, 0.1 + r / 100, 0.36) for n in (2, 4) for r in (0, 2)
  ]
  rows = summary.cells([*usual, *more, *fails])
  (axes,) = figures.accuracy(['resnet32'], rows).axes
  assert 80 < axes.get_ylim()[0] < 90
  assert [text.get_text() for text in axes.texts] == ['↓ 11.0 ± 1.4'] * 2


def test_a_replicate_that_fails_is_written_where_the_mean_is_shown():
  ett = [row('ett', 2, r, 0.93, 0.36) for r in range(20)]
  ett.append(row('ett', 2, 20, 0.5, 0.36))
  usual = [
    r for r in ROWS if r['test_accuracy'] > 0.85 and r['method'] != 'ett'
  ]
  (axes,) = figures.accuracy(['resnet32'], summary.cells([*usual, *ett])).axes
  assert 50 < axes.get_xlim()[0] < 90
  assert [text.get_text() for text in axes.texts] == ['dense', '← 50.0']


def test_networks_of_a_weaker_target_do_not_fail():
  strong = [r for r in ROWS if r['test_accuracy'] > 0.85]
  weak = [
    {**r, 'target': 'resnet20', 'test_accuracy': r['test_accuracy'] - 0.5}
    for r in strong
    if r['method'] in ('dense', 'imp')
  ]
  fails = {**weak[0], 'method': 'dense', 'test_accuracy': 0.1}
  for rows in ([*strong, *weak], [*strong, *weak, fails]):
    figure = figures.accuracy(['resnet32', 'resnet20'], summary.cells(rows))
    assert figure.axes[0].get_xlim()[0] < 45


def test_a_figure_of_networks_that_all_diverged():
  cells = [
    dataclasses.replace(cell, accuracy={}, diverged=(0, 1))
    for cell in summary.cells(ROWS)
    if cell.method in ('imp', 'random')
  ]
  figures.accuracy(['resnet32'], cells).savefig(io.BytesIO())


def test_one_replicate_has_no_spread():
  one = [r for r in ROWS if r['replicate'] == 0]
  assert summary.text(summary.cells(one)[1]) == '91.00'
  text = summary.to_text(one)
  assert '91.00' in text and '±' not in text and 'sd over' not in text
  assert 'sd over replicates' in summary.to_text(ROWS)
  assert summary.spread(math.inf) == '' and summary.spread(1.25) == ' ± 1.25'
  mixed = [*one, row('imp', 2, 1, 0.93, 0.36)]  # all others failed
  assert '92.00 ± 1.41' in summary.to_text(mixed)
  assert ' 80.00 (36.0%)\n' in summary.to_text(mixed)


def test_columns_stay_aligned_where_a_sign_is_replaced():
  lines = summary.to_text(ROWS, lambda t: t.replace('±', '+-')).splitlines()
  assert '92.00 +- 1.00' in '\n'.join(lines)
  assert len({len(line) for line in lines[2:]}) == 1


@pytest.mark.parametrize('levels', [1, 2])
def test_figures_of_one_replicate_draw_no_deviation(levels):
  one = [r for r in ROWS if r['replicate'] == 0]
  if levels == 2:
    one += [{**r, 'level': 4, 'sparsity': 0.6} for r in one if r['level']]

  def bands(rows):
    (axes,) = figures.accuracy(['resnet32'], summary.cells(rows)).axes
    return len(axes.collections)

  assert bands(one) == 0
  assert bands([*one, *({**r, 'replicate': 1} for r in one)]) > 0


def ett(source, target, order, level, accuracies, method='ett'):
  return [
    {
      **row(method, level, r, accuracy, 0.36 * level),
      'source': source,
      'target': target,
      'order': order,
    }
    for r, accuracy in enumerate(accuracies)
  ]


def test_a_rule_that_differs_by_target_is_one_line():
  rows = [
    *ett('mlp3', 'mlp4', 'append', 1, [0.9]),
    *ett('mlp3', 'mlp2', 'squeeze', 1, [0.8]),
    *ett('mlp3', 'mlp2', 'squeeze', 2, [0.7]),
    *ett('mlp3', 'mlp4', 'append', 2, [0.7]),
  ]
  lines = series_of(summary.cells(rows))
  assert len(lines) == 2 and len({s.number for s in lines.values()}) == 1
  assert {s.name for s in lines.values()} == {'ETT from MLP-3'}
  figure = figures.accuracy(['mlp2', 'mlp4'], summary.cells(rows))
  drawn = [line for axes in figure.axes for line in axes.lines]
  assert len({(line.get_color(), line.get_marker()) for line in drawn}) == 1
  assert len({axes.get_ylim() for axes in figure.axes}) == 1
  assert len({axes.get_xlim() for axes in figure.axes}) == 1


def test_two_rules_on_one_target_are_two_lines():
  rows = [
    *ett('mlp3', 'mlp4', 'append', 1, [0.9]),
    *ett('mlp3', 'mlp4', 'interpolate', 1, [0.8]),
    *ett('mlp3', 'mlp2', 'squeeze', 1, [0.8]),
  ]
  lines = series_of(summary.cells(rows))
  assert len({line.number for line in lines.values()}) == 3
  assert all(label == line.name for label, line in lines.items())


def test_a_dense_network_of_a_level_is_drawn_there():
  longer = [row('dense_longer', 2, r, 0.95, 0.0) for r in range(2)]
  cells = summary.cells([*ROWS, *longer])
  last = cells[-1]
  assert last.method == 'dense_longer' and last.sparsity == 0
  assert drawn_sparsity(last, cells) == pytest.approx(0.36)
  assert drawn_sparsity(cells[2], cells) == pytest.approx(0.37)
  assert drawn_sparsity(cells[0], cells) == 0


def conclusion(rows):
  found = summary.cells(rows)
  return headline(found, series_of(found))


def test_the_conclusion_is_of_etts_mean_against_imp():
  head = conclusion(ROWS)
  ((arm, pair),) = head.pairs
  assert (arm.name, arm.baseline) == ('ETT from ResNet-20 (append)', 'IMP')
  assert pair.verdict == 'undecided'
  first, *_ = head.sentences()
  test = stats.ttest_ind(
    [0.90, 0.92, 0.91], [0.91, 0.93, 0.92], equal_var=False
  )
  low, high = (100 * end for end in test.confidence_interval())
  low, high = (f'{end:+.2f}'.replace('-', '\u2212') for end in (low, high))
  assert 'cannot be told apart' in first
  assert f'(95% interval {low} to {high})' in first
  worse = [
    {**r, 'test_accuracy': r['test_accuracy'] - 0.2 * (r['method'] == 'ett')}
    for r in ROWS
  ]
  first, *_ = conclusion(worse).sentences()
  assert 'is 21.00 points less accurate than IMP, on ResNet-32' in first


def test_intervals_of_the_conclusion_hold_for_all_pairs_together():
  levels = [
    one
    for level in (2, 3, 4)
    for one in (
      *(row('imp', level, r, a, 0.36) for r, a in enumerate([0.9, 0.92, 0.94])),
      *(row('ett', level, r, a, 0.36) for r, a in enumerate([0.8, 0.82, 0.83])),
    )
  ]
  head = conclusion(levels)
  for _, pair in head.pairs:
    margin, difference = head.margin(pair), 100 * pair.difference
    assert (abs(difference) > margin) == (pair.verdict != 'undecided')
    assert margin == pytest.approx(100 * pair.test.margin(1 - 0.05 / 3))
  text = ' '.join(head.sentences())
  assert 'At each network and sparsity alone: 3 behind.' in text
  assert 'at equal sparsity' in text


def test_the_conclusion_of_one_replicate_has_no_interval():
  text = ' '.join(
    conclusion([r for r in ROWS if not r['replicate']]).sentences()
  )
  assert 'is 1.00 points less accurate than IMP' in text
  assert 'one replicate' in text and 'undecided' in text
  assert 'inf' not in text and 'nan' not in text and 'interval' not in text


def test_without_ett_all_methods_are_compared_with_imp_or_dense():
  some = [r for r in ROWS if r['method'] != 'ett']
  assert [(a.name, a.baseline) for a in conclusion(some).arms] == [
    ('Random', 'IMP'),
    ('Reinit', 'IMP'),
  ]
  some = [r for r in some if r['method'] != 'imp']
  assert {arm.baseline for arm in conclusion(some).arms} == {'Dense'}
  (sentence,) = conclusion([]).sentences()
  assert 'Nothing was trained yet' in sentence


def test_claims_that_correction_leaves_undecided_say_so():
  alike = [0.91, 0.93, 0.92], [0.885, 0.90, 0.895]
  rows = [
    one
    for level in range(1, 9)
    for better, worse in [alike]
    for one in (
      *(row('imp', level, r, a, 0.1 * level) for r, a in enumerate(better)),
      *(row('random', level, r, a, 0.1 * level) for r, a in enumerate(worse)),
    )
  ]
  (alone,) = comparison.claims(summary.cells(rows[:6]))
  assert alone.verdict == 'supported' and not alone.decided_alone
  for claim in comparison.claims(summary.cells(rows)):
    assert claim.difference > claim.margin
    assert claim.verdict == 'undecided' and claim.decided_alone


def pair_of(one, other, level=2):
  rows = [
    *(row('ett', level, r, a, 0.36) for r, a in enumerate(one)),
    *(row('imp', level, r, a, 0.36) for r, a in enumerate(other)),
  ]
  return comparison.compare(*summary.cells(rows))


def test_colour_of_a_difference_is_that_of_its_evidence():
  noise = pair_of([0.85, 0.95, 0.9], [0.90, 0.97, 0.94])
  sure = pair_of([0.90, 0.901, 0.902], [0.95, 0.951, 0.952])
  matrix = {('a', 'b'): noise, ('a', 'c'): sure}
  most = heat.limit(matrix)
  assert most >= 5 and heat.limit({}) == heat.LEAST
  assert noise.verdict == 'undecided' and sure.verdict == 'contradicted'
  assert -heat.PALE <= heat.strength(noise, most) < 0
  assert heat.strength(sure, most) < -3 * heat.PALE
  assert heat.colour(0) == '#FFFFFF'
  shades = [heat.colour(share) for share in (-1, -0.5, 0.5, 1)]
  assert min(contrast('#16191D', shade) for shade in shades) >= 4.5


@pytest.mark.parametrize('accuracy', [0.0, 0.5, 1.0])
def test_axes_of_equal_values_have_a_width(accuracy):
  low, high = rounded(100 * accuracy, 100 * accuracy)
  low, high = max(low, 0), min(high, 100)  # as of percentages
  assert low <= 100 * accuracy <= high and low < high
  strip = Strips(low, high)
  assert 'nan' not in strip.row(0, 100 * accuracy, math.inf) + strip.head()
  rows = [
    row(method, level, 0, accuracy, 0.36 * level)
    for method in ('imp', 'random')
    for level in (1, 2)
  ]
  found = summary.cells(rows)
  (chart,) = charts(['resnet32'], found, series_of(found), lambda _: 'id')
  assert chart.whole.count('class="pt"') == 4 and 'nan' not in chart.whole
