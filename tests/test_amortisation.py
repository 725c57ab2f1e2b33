import pytest

from elth_jax.report.amortisation import amortise, training_times


def row(method, target, search, run, source='', order='', accuracy=0.9):
  return {
    'method': method,
    'target': target,
    'source': source or target,
    'order': order,
    'level': 0 if method == 'dense' else 3,
    'replicate': 0,
    'sparsity': 0.5,
    'test_accuracy': accuracy,
    'train_flops': run,
    'search_flops': search,
  }


def test_a_source_is_paid_once_and_counts_cost_nothing():
  rows = [
    row('dense', 'resnet20', 1, 3),
    row('dense', 'resnet32', 2, 6),  # the unit: 8
    row('imp', 'resnet20', 12, 1),
    row('imp', 'resnet32', 24, 2),
    row('ett', 'resnet20', 8, 1, 'resnet26', 'squeeze'),
    row('ett', 'resnet32', 8, 2, 'resnet26', 'append'),
    row('ett', 'resnet32', 8, 2, 'resnet26', 'interpolate', 0.8),
    row('rigl_x5', 'resnet20', 1, 5),
    row('rigl_x5', 'resnet32', 2, 10),
  ]
  found = {cost.label: cost for cost in amortise(rows, 3)}
  assert found['IMP'].search == pytest.approx(36 / 8)
  assert found['ETT from ResNet-26'].search == pytest.approx(1.0)
  assert found['ETT from ResNet-26'].runs == pytest.approx(3 / 8)
  assert found['RigL-5x'].total == pytest.approx(18 / 8)
  both = found['ETT from ResNet-26'].accuracy
  assert both == {'resnet20': 0.9, 'resnet32': 0.9}
  alone = found['ETT from ResNet-26 (interpolate)']
  assert alone.accuracy == {'resnet32': 0.8}
  totals = [cost.total for cost in amortise(rows, 3)]
  assert totals == sorted(totals)
  assert amortise([], 3) == []


def test_what_each_target_needs_of_its_own_is_paid_for_each():
  """ETT, matched, takes each target's rewind weights beside the ticket."""
  rows = [
    row('dense', 'resnet32', 5, 95),  # the unit: 100
    row('dense', 'resnet44', 4, 80),
    row('ett_matched', 'resnet32', 50 + 5, 10, 'resnet20', 'append'),
    row('ett_matched', 'resnet44', 50 + 4, 8, 'resnet20', 'append'),
    row('imp', 'resnet20', 50, 6),
  ]
  found = {cost.method: cost for cost in amortise(rows, 3)}
  assert found['ett_matched'].search == pytest.approx((50 + 5 + 4) / 100)
  assert found['ett_matched'].runs == pytest.approx((10 + 8 + 6) / 100)
  times = [
    {
      **one,
      'train_seconds': one['train_flops'],
      'search_seconds': one['search_flops'],
    }
    for one in rows
  ]
  (matched,) = (c for c in training_times(times, 3) if c.method != 'imp')
  assert matched.search == pytest.approx(50 + 5 + 4)


def test_a_replicate_that_lacks_a_target_does_not_count():
  def both(target, run, replicate):
    mine = row('imp', target, 10, run, accuracy=0.8 + replicate / 10)
    return {**mine, 'replicate': replicate}

  rows = [
    row('dense', 'resnet20', 0, 10),
    *(both('resnet20', 1 + r, r) for r in (0, 1)),
    *(both('resnet32', 2 + r, r) for r in (0, 1)),
  ]
  (imp,) = amortise(rows, 3)
  assert imp.total == pytest.approx((20 + 4) / 10)
  (imp,) = amortise(rows[:-1], 3)
  assert imp.total == pytest.approx((20 + 3) / 10)
  assert imp.accuracy == {'resnet20': 0.8, 'resnet32': 0.8}
  without = ('test_accuracy', 'train_flops', 'search_flops')
  lost = {name: v for name, v in rows[3].items() if name not in without}
  assert amortise([*rows[:3], lost], 3) == []


def test_time_counts_like_cost_but_in_seconds():
  timed = [
    {**row('imp', 'resnet20', 0, 0), 'search_seconds': 60, 'train_seconds': 5},
    {**row('imp', 'resnet32', 0, 0), 'search_seconds': 80, 'train_seconds': 7},
    {
      **row('ett', 'resnet32', 0, 0, 'resnet20', 'append'),
      'search_seconds': 60,
      'train_seconds': 7,
    },
  ]
  ett, imp = training_times(timed, 3)
  assert (ett.label, ett.search, ett.runs) == ('ETT from ResNet-20', 60, 12)
  assert (imp.label, imp.search, imp.runs) == ('IMP', 140, 12)
