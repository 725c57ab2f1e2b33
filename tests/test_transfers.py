"""Transfers: every kind of step predicts, checks, explains and does."""

import dataclasses

import jax
import numpy as np
import pytest

from elth_jax.elastic.plan import Plan
from elth_jax.elastic.rules import Rule
from elth_jax.families import Architecture, architecture
from elth_jax.masks import sparsity
from elth_jax.methods.lottery import dense_ticket, next_level
from elth_jax.transfers import (
  STEPS,
  Place,
  Step,
  Transfer,
  in_words,
  origins,
  register,
  suffix,
  transfers_between,
)
from elth_jax.transfers.depth import Depth
from elth_jax.transfers.step import read_rule

NARROW = architecture('resnet14', (8, 8, 1), 3, 2)
HERE = Place(NARROW, 'digits', 'sgd')


def ticket_of(network, seed=0):
  dense = dense_ticket(network, **network.init(seed))
  return next_level(dense, dense, dense.params, 0.6)


def at(name='resnet14', shape=(8, 8, 1), classes=3, width=2, **elsewhere):
  network = architecture(name, shape, classes, width)
  return dataclasses.replace(HERE, network=network, **elsewhere)


def same(one, other):
  pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
  return all(np.array_equal(a, b) for a, b in pairs)


EVERYTHING = at(
  'resnet20', (12, 12, 1), 5, 4, dataset='mnist', optimizer='adam'
)


@pytest.mark.parametrize(
  ('target', 'kinds', 'label', 'told'),
  [
    (at(), 'depth', 'squeeze', 'every unit stays'),
    (at('resnet20'), 'depth', 'append', 'resnet14 -> resnet20'),
    (at('resnet8'), 'depth', 'squeeze', 'resnet14 -> resnet8'),
    (at(width=4), 'width depth', 'widen replicate', 'width 2 -> 4'),
    (at(width=1), 'width depth', 'narrow', 'width 2 -> 1: narrow'),
    (at(classes=7), 'head depth', 'squeeze', 'classes 3 -> 7'),
    (at(shape=(9, 9, 1)), 'images depth', 'squeeze', '8x8x1 -> 9x9x1'),
    (at(dataset='mnist'), 'dataset depth', 'squeeze', 'set digits -> MNIST'),
    (at(optimizer='adam'), 'optimizer depth', 'squeeze', 'sgd -> adam'),
    (
      EVERYTHING,
      'dataset optimizer width head images depth',
      'append, widen replicate',
      'adam',
    ),
  ],
)
def test_steps_lead_where_they_say(target, kinds, label, told):
  (transfer,) = transfers_between(HERE, target)
  assert ' '.join(step.kind for step in transfer.steps) == kinds
  assert transfer.label == label
  assert transfer.predict(NARROW) == target.network
  assert told in transfer.explain(NARROW)
  assert len(transfer.explain(NARROW).splitlines()) >= len(transfer.steps)
  ticket = ticket_of(NARROW)
  moved = transfer.apply(ticket, seed=1)
  made = Architecture.from_json(moved.architecture)
  assert made == target.network
  made.check({'params': moved.params, 'batch_stats': moved.batch_stats})
  assert transfer.adds_dense_leaves == ('head' in kinds)
  stays = {'depth', 'dataset', 'optimizer', 'images'} >= set(kinds.split())
  if stays and made.depths == NARROW.depths:
    assert same(moved.params, ticket.params)
    assert same(moved.masks, ticket.masks)


def test_rules_of_every_kind_are_combined_units_slowest():
  rules = ('append', 'interpolate', 'widen uneven', 'widen permute')
  labels = [
    transfer.label for transfer in transfers_between(HERE, EVERYTHING, rules)
  ]
  assert labels == [
    'append, widen uneven',
    'append, widen permute',
    'interpolate, widen uneven',
    'interpolate, widen permute',
  ]
  deeper = at('resnet20')
  assert len(transfers_between(HERE, deeper, rules)) == 2
  assert len(transfers_between(HERE, at(width=4), rules)) == 2


@pytest.mark.parametrize(
  ('target', 'rules', 'message'),
  [
    (at(width=6), ('append',), 'sources of width 2 and targets of width 6'),
    (at('mlp3', width=2), ('append',), 'mlp3 is not of the family of resnet14'),
    (at('resnet20'), ('keep 1',), "none of .'keep 1'. leads from resnet14"),
    (at('resnet20'), ('narrow',), 'no rule for units leads from resnet14'),
    (at('resnet26'), ('interpolate 9',), 'resnet14 to resnet26: stage1'),
    (at(), ('apend',), "unknown rule 'apend'; did you mean 'append'"),
  ],
)
def test_what_leads_nowhere_is_refused_before_there_is_a_ticket(
  target, rules, message
):
  with pytest.raises(ValueError, match=message):
    transfers_between(HERE, target, rules)


def test_weights_that_depend_on_images_do_not_move():
  here = dataclasses.replace(HERE, network=architecture('mlp2', (8, 8, 1), 3))
  there = architecture('mlp2', (9, 9, 1), 3)
  with pytest.raises(ValueError, match='give both one image_size'):
    transfers_between(here, dataclasses.replace(here, network=there))


def test_widths_whose_layers_do_not_double_are_refused():
  narrow = architecture('mlp3', (8, 8, 1), 3, 32)  # 32 and 10 units; 64 and 21
  wide = dataclasses.replace(narrow, width=64)
  for one, other in ((narrow, wide), (wide, narrow)):
    there = dataclasses.replace(HERE, network=other)
    message = rf'mlp3, width {one.width}, .* cannot become .* other widths'
    with pytest.raises(ValueError, match=message):
      transfers_between(dataclasses.replace(HERE, network=one), there)


@pytest.mark.parametrize('target', ['resnet14', 'resnet20'])
def test_a_score_that_nobody_knows_is_refused(target):
  with pytest.raises(ValueError, match=r"unknown score 'densty'; .*density"):
    transfers_between(HERE, at(target), ('keep best 1 by densty, append',))


def test_a_settled_transfer_does_to_others_what_it_does_to_its_ticket():
  first, second = ticket_of(NARROW, 0), ticket_of(NARROW, 1)
  rule = 'append best 1 by magnitude'
  (transfer,) = transfers_between(HERE, at('resnet20'), (rule,))
  assert 'known when the ticket is' in transfer.explain(NARROW)
  with pytest.raises(ValueError, match='no settled plan'):
    _ = transfer.plan
  settled = transfer.settled(first, seed=0)
  for ticket in (first, second):
    moved = settled.apply(ticket, 0)
    assert moved.provenance['plan'] == str(settled.plan)
  assert same(settled.apply(first, 0).params, transfer.apply(first, 0).params)
  assert 'known when' not in settled.explain(NARROW)
  assert settled.plan.depths == at('resnet20').network.depths


def test_where_sources_differ_is_told_in_names_and_words():
  assert origins(HERE, HERE) == {}
  found = origins(HERE, EVERYTHING)
  assert found == {
    'source_dataset': 'digits',
    'source_optimizer': 'sgd',
    'source_width': 2,
  }
  assert suffix(found) == '-on-digits-by-sgd-of-width-2'
  assert in_words({**found, 'level': 3}) == (' on digits by sgd of width 2')
  assert in_words({'source_dataset': ''}) == ''
  assert in_words({'source_dataset': 'cifar10'}) == ' on CIFAR-10'


@pytest.fixture
def signs(request):
  """A kind of step from outside: kept weights lose their size."""

  @register
  @dataclasses.dataclass(frozen=True)
  class Signs(Step):
    kind = 'signs'

    scale: float = 1.0

    @classmethod
    def read(cls, text):
      return text if text == 'signs' else None

    @classmethod
    def between(cls, source, target, rules):
      return [cls() for _ in rules]

    @property
    def label(self):
      return 'signs'

    def apply(self, ticket, seed):
      params = jax.tree.map(lambda w: self.scale * np.sign(w), ticket.params)
      return dataclasses.replace(ticket, params=params)

    def explain(self, network):
      return f'weights of {network.name} become +-{self.scale}'

  request.addfinalizer(lambda: STEPS.__delitem__('signs'))
  return Signs


def test_a_kind_of_step_from_outside(signs):
  assert read_rule('signs') == (signs, 'signs')
  rules = ('append', 'signs')
  (transfer,) = transfers_between(HERE, at('resnet20'), rules)
  assert [step.kind for step in transfer.steps] == ['depth', 'signs']
  assert transfer.label == 'signs, append'
  assert 'weights of resnet20 become +-1.0' in transfer.explain(NARROW)
  ticket = ticket_of(NARROW)
  moved = transfer.apply(ticket, 0)
  assert set(np.unique(moved.params['head']['kernel'])) <= {-1.0, 0.0, 1.0}
  depth_alone = Transfer((Depth('resnet20', Rule.parse('append')),)).apply(
    ticket, 0
  )
  assert sparsity(moved.masks) == sparsity(depth_alone.masks)
  assert (
    'signs' not in transfers_between(HERE, at('resnet20'), ('append',))[0].label
  )
  with pytest.raises(ValueError, match='there is a kind of step'):
    register(signs)


def test_a_step_that_does_not_what_it_predicts_is_refused(signs, monkeypatch):
  monkeypatch.setattr(
    signs, 'predict', lambda self, network: network.with_name('resnet8')
  )
  transfer = Transfer((signs(),))
  with pytest.raises(ValueError, match='made a ticket of'):
    transfer.apply(ticket_of(NARROW), 0)
  with pytest.raises(ValueError, match='no steps lead from'):
    transfer.check(NARROW, NARROW)


def test_a_plan_of_ones_own_is_a_step_too():
  plan = Plan.parse('0:0;1:1,2', stages=list(NARROW.depths))
  step = Depth('resnet20', plan=plan)
  step.check(NARROW)
  moved = Transfer((step,)).apply(ticket_of(NARROW), 0)
  assert moved.provenance['plan'] == str(plan)
