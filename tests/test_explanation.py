import numpy as np
import pytest

from elth_jax import Layout, Plan, explain
from elth_jax.families import architecture
from elth_jax.masks import counts
from elth_jax.methods.lottery import dense_ticket, next_level
from elth_jax.tickets.explanation import explain_tree


@pytest.fixture(scope='module')
def ticket():
  net = architecture('resnet20', (8, 8, 3), 3, 2)
  dense = dense_ticket(net, **net.init(0))
  return next_level(dense, dense, dense.params, 0.7)


def test_networks_by_name():
  found = explain('resnet20', 'resnet32')
  assert found.total.parameters == (272_474, 466_906)
  assert found.total.multiply_adds[0] == 40_813_184
  target = architecture('resnet32')
  assert found.total.multiply_adds[1] == sum(target.multiply_adds().values())
  text = str(found)
  assert 'stage1     3 -> 5  0 1 2 [1] [2]' in text
  assert '272,474 -> 466,906' in text
  assert 'invariant: head, stem, stem_bn, unit 0 of every stage' in text


def test_sparsities_of_a_ticket(ticket):
  found = explain(ticket, 'resnet32', 'interpolate')
  before, after = found.total.weights
  assert (before.kept, before.total) == counts(ticket.masks)
  assert (after.kept, after.total) == counts(
    ticket.transform('resnet32', order='interpolate').masks
  )
  assert f'{before.sparsity:.2%} -> {after.sparsity:.2%}' in str(found)


def test_it_squeezes_and_chooses(ticket):
  assert (
    explain(ticket, 'resnet14').plan == explain('resnet20', 'resnet14').plan
  )
  kept = explain(ticket, 'resnet14', keep=(2,))
  assert kept.plan.tables['stage1'] == (0, 2)
  with pytest.raises(ValueError, match='write a rule'):
    explain('resnet20', 'resnet14', keep=(2,))
  with pytest.raises(ValueError, match='not of the family'):
    explain('resnet20', 'mlp3')


def test_it_is_drawn_with_dropped_units(ticket):
  figure = explain(ticket, 'resnet14').figure()
  texts = [text.get_text() for axes in figure.axes for text in axes.texts]
  assert sorted(texts) == sorted(['0', '1', '2', '0', '1'] * 3)
  page = explain(ticket, 'resnet14')._repr_html_()
  assert page.startswith('<pre>resnet20 -&gt; resnet14') and '<svg' in page


def test_any_tree():
  layout = Layout(units=r'layer_(\d+)', fixed=0)
  params = {f'layer_{i}': {'w': np.ones((2, 3))} for i in range(2)}
  params['head'] = np.ones(5)
  found = explain_tree(params, Plan({'layer': (0, 1, 0)}), layout)
  assert found.total.parameters == (17, 23)
  assert 'invariant: head' in str(found)
  nothing = explain_tree({'layer_0': np.ones(2)}, Plan({'layer': (0,)}), layout)
  assert 'invariant: nothing' in str(nothing)
