import math

import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy import stats

from elth_jax import Plan
from elth_jax.report import comparison, figures, summary
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
  more = [*ROWS, row('imp', 4, 0, 0.9, 0.59), row('imp', 4, 1, 0.91, 0.59)]
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
  assert len(bars) == 3  # one level only: no bands
  ticks = [text.get_text() for text in axes.get_xticklabels()]
  assert ticks == ['36.0', '59.0']


def test_one_level_is_a_row_for_each_method():
  figure = figures.accuracy(['resnet32'], summary.cells(ROWS))
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
