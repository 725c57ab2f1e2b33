import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elth_jax import Layout, Plan
from elth_jax.elastic.sparsity import (
  match_sparsity,
  predict,
  unit_counts,
  unit_scores,
)
from elth_jax.masks import counts, sparsity


def masks_of(depth, seed):
  draw = np.random.default_rng(seed)

  def mask():
    return draw.random((3, 4)) < draw.random()

  blocks = {f'block{i}': {'w': mask(), 'b': None} for i in range(depth)}
  return {'stem': mask(), 'stage1': blocks}


@given(st.integers(2, 5), st.integers(0, 6), st.integers(0, 99))
def test_predicted_is_counted(depth, more, seed):
  masks = masks_of(depth, seed)
  plan = Plan.stretch({'stage1': depth}, depth + more)
  forecast = predict(masks, plan)
  target = plan.apply(masks)
  assert (forecast.overall.kept, forecast.overall.total) == counts(target)
  assert forecast.overall.sparsity == pytest.approx(sparsity(target))
  stage = forecast.stages['stage1']
  assert (stage.kept, stage.total) == counts(target['stage1'])
  assert forecast.elsewhere.kept == masks['stem'].sum()


def test_counts_and_scores_by_unit():
  masks = {
    'stage1': {
      'block0': {'w': np.array([True, False])},
      'block1': {'w': np.array([True, True])},
    }
  }
  units, elsewhere = unit_counts(masks)
  assert [c.kept for c in units['stage1']] == [1, 2] and elsewhere.total == 0
  params = {
    'stage1': {
      'block0': {'w': np.array([3.0, 0.0])},
      'block1': {'w': np.array([1.0, -2.0])},
    }
  }
  scores = unit_scores(params, masks)
  assert scores['density']['stage1'] == [0.5, 1.0]
  assert scores['magnitude']['stage1'] == [1.5, 1.5]


def test_plans_that_do_not_fit():
  with pytest.raises(TypeError, match="plan is 'append'; give a Plan"):
    predict(masks_of(3, 0), 'append')
  with pytest.raises(ValueError, match='copies source unit 7'):
    predict(masks_of(2, 0), Plan({'stage1': (0, 7)}))


@given(
  st.floats(0, 1), st.integers(0, 99), st.sampled_from(['global', 'stage'])
)
def test_matching_is_exact_and_monotone(wanted, seed, scope):
  masks = masks_of(3, seed)
  draw = np.random.default_rng(seed)
  scores = {
    'stem': draw.random((3, 4)),
    'stage1': {
      f'block{i}': {'w': draw.random((3, 4)), 'b': None} for i in range(3)
    },
  }
  new = match_sparsity(masks, scores, wanted, scope)
  parts = [new] if scope == 'global' else [new['stem'], new['stage1']]
  for part in parts:
    kept, total = counts({'part': part})
    assert kept == round((1 - wanted) * total)


def test_the_smallest_go_and_the_largest_return():
  masks = {'stage1': {'block0': np.array([True, True, False, False])}}
  scores = {'stage1': {'block0': np.array([2.0, 1.0, 3.0, 4.0])}}
  fewer = match_sparsity(masks, scores, 0.75)
  np.testing.assert_array_equal(fewer['stage1']['block0'], [1, 0, 0, 0])
  more = match_sparsity(masks, scores, 0.25)
  np.testing.assert_array_equal(more['stage1']['block0'], [1, 1, 0, 1])


def test_never_pruned_and_stacked_leaves():
  layout = Layout(stacked='layers', fixed=0)
  masks = {'layers': {'w': np.ones((4, 5), bool)}, 'head': np.ones(5, bool)}
  scores = {'layers': {'w': np.arange(20.0).reshape(4, 5)}, 'head': np.ones(5)}
  new = match_sparsity(
    masks, scores, 0.6, 'stage', layout, lambda name: name == 'never'
  )
  assert new['layers']['w'].sum() == 8 and new['head'].sum() == 2
  with pytest.raises(ValueError, match='never pruned'):
    match_sparsity(masks, scores, 0.9, 'global', layout, lambda n: n == 'head')
  with pytest.raises(ValueError, match="scope is 'layer'"):
    match_sparsity(masks, scores, 0.5, 'layer', layout)
  with pytest.raises(ValueError, match=r'no stage found.*give the Layout'):
    match_sparsity(masks, scores, 0.5, 'stage')
