import copy
import dataclasses
import functools
import json
import pickle
from pathlib import Path

import jax
import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st

from elth_jax import Ticket, explain
from elth_jax.elastic.rules import Append
from elth_jax.families import architecture
from elth_jax.masks import apply_masks, nonzero_masks
from elth_jax.methods.lottery import dense_ticket, next_level
from elth_jax.tickets.transform import plan_of
from elth_jax.trees import flatten


@pytest.fixture(scope='module')
def ticket():
  net = architecture('resnet14', (8, 8, 1), 10, 2)
  fresh = net.init(3)
  dense = dense_ticket(net, fresh['params'], fresh['batch_stats'])
  sparse = next_level(dense, dense, dense.params, 0.7)
  return dataclasses.replace(sparse, provenance={'level': 2, 'seed': 3})


def assert_same(one, other):
  for name in ('params', 'batch_stats', 'masks'):
    a, b = flatten(getattr(one, name)), flatten(getattr(other, name))
    assert a.keys() == b.keys()
    for leaf, value in a.items():
      assert (value is None) == (b[leaf] is None)
      if value is not None:
        np.testing.assert_array_equal(value, b[leaf])
        assert value.dtype == b[leaf].dtype
  assert one.architecture == other.architecture
  assert one.provenance == other.provenance


def test_save_and_load(ticket, tmp_path):
  ticket.save(tmp_path / 'a.safetensors')
  loaded = Ticket.load(tmp_path / 'a.safetensors')
  assert_same(ticket, loaded)
  assert loaded.sparsity == pytest.approx(0.7, abs=1e-3)
  loaded.save(tmp_path / 'b.safetensors')
  one, two = (tmp_path / f'{n}.safetensors' for n in 'ab')
  assert one.read_bytes() == two.read_bytes()
  assert sorted(p.name for p in tmp_path.iterdir()) == [one.name, two.name]


def test_a_ticket_cannot_be_changed(ticket):
  mine = {'w': np.ones(3)}
  made = Ticket({}, mine, {}, {'w': None})
  mine['w'][0] = 7
  assert made.params['w'][0] == 1
  with pytest.raises(ValueError, match='read-only'):
    ticket.params['head']['bias'][0] = 1
  with pytest.raises(dataclasses.FrozenInstanceError):
    ticket.params = {}


@pytest.mark.parametrize('target', ['resnet20', 'resnet32', 'resnet8'])
def test_transforms_are_checked_and_signed(ticket, target):
  deep = ticket.transform(target)
  net = architecture(target, (8, 8, 1), 10, 2)
  net.check({'params': deep.params, 'batch_stats': deep.batch_stats})
  assert deep.provenance['source'] == 'resnet14'
  assert deep.architecture['name'] == target
  zeros = apply_masks(deep.params, deep.masks)
  jax.tree.map(np.testing.assert_array_equal, zeros, deep.params)


@pytest.mark.parametrize(
  ('target', 'options', 'message'),
  [
    ('mlp3', {}, 'not of the family'),
    ('resnet21', {}, '6 n \\+ 2'),
    ('resnot20', {}, "did you mean 'resnet'"),
    ('resnet8', {'units': (1,)}, 'squeeze by keep or drop'),
    ('resnet20', {'keep': (1,)}, 'stretch by units'),
  ],
)
def test_wrong_transforms(ticket, target, options, message):
  with pytest.raises(ValueError, match=message):
    ticket.transform(target, **options)


def test_a_ticket_of_ones_own_weights_and_masks(ticket):
  net = architecture('resnet14', (8, 8, 1), 10, 2)
  fresh = net.init(3)
  numbers = jax.tree.map(lambda mask: mask.astype(np.int32), ticket.masks)
  for masks in (ticket.masks, numbers):
    own = Ticket.of(net, **fresh, masks=masks, provenance=ticket.provenance)
    assert_same(own, ticket)
  assert_same(Ticket.of(net, **fresh), dense_ticket(net, **fresh))
  trained = Ticket.of(net, **fresh, masks=masks, state='trained')
  assert trained.transform('resnet20').state == 'trained'


def test_weights_pruned_to_zeros_without_masks(ticket):
  """They count as kept, which is told, with how to make masks of them."""
  net = architecture('resnet14', (8, 8, 1), 10, 2)
  with pytest.warns(UserWarning, match='nonzero_masks') as told:
    kept = Ticket.of(net, ticket.params, ticket.batch_stats)
  assert len(told) == 1 and kept.sparsity == 0
  masks = nonzero_masks(ticket.params, net.family.prunable)
  own = Ticket.of(
    net,
    ticket.params,
    ticket.batch_stats,
    masks,
    provenance=ticket.provenance,
  )
  assert_same(own, ticket)


def test_a_reader_says_which_one_reads_a_path(tmp_path):
  with pytest.raises(FileNotFoundError, match=r'Ticket\.from_pretrained reads'):
    Ticket.load(tmp_path)
  (tmp_path / 'file').write_text('target,level\nmlp2,1\n')
  with pytest.raises(FileNotFoundError, match=r'is a file; Ticket\.load reads'):
    Ticket.from_pretrained(tmp_path / 'file')
  with pytest.raises(ValueError, match='is cut off or no safetensors file'):
    Ticket.load(tmp_path / 'file')


def test_what_is_no_ticket_of_the_network(ticket):
  net = architecture('resnet14', (8, 8, 1), 10, 2)
  fresh, masks = net.init(3), ticket.masks
  halves = jax.tree.map(lambda mask: mask * 0.5, masks)
  with pytest.raises(TypeError, match=r"network is 'resnet14'; give archit"):
    Ticket.of('resnet14', **fresh)
  for trees, message in (
    ((fresh['params'],), 'resnet14: leaves differ; missing batch_stats/'),
    ((fresh, {}), r"holds collections; give variables\['params'\], and"),
    ((*fresh.values(), halves), r'mask \S+/kernel has values other than 0'),
    ((*fresh.values(), {'head': masks['head']}), 'leaves differ; missing'),
  ):
    with pytest.raises(ValueError, match=message):
      Ticket.of(net, *trees)


@pytest.mark.parametrize(
  ('target', 'options', 'message'),
  [
    (32, {}, "the network is 32; give its name, e.g. 'resnet20'"),
    ('resnet20', {'plan': '0:0;1:1,3'}, "plan is '0:0;1:1,3'; give a Plan"),
    ('resnet20', {'order': Append()}, 'order is a Append; give a rule as text'),
  ],
)
def test_arguments_of_another_type(ticket, target, options, message):
  for transform in (ticket.transform, functools.partial(explain, ticket)):
    with pytest.raises(TypeError, match=message):
      transform(target, **options)


def test_the_order_may_be_given_by_position_or_left_out(ticket):
  plans = {
    str(plan_of(ticket.transform('resnet20', *order)))
    for order in ((), ('append',), (None,))
  }
  assert len(plans) == 1
  named = ticket.transform('resnet26', order='interpolate')
  assert plan_of(ticket.transform('resnet26', 'interpolate')) == plan_of(named)


def test_a_plan_takes_the_place_of_all_choices(ticket):
  plan = plan_of(ticket.transform('resnet20'))
  explained = functools.partial(explain, ticket)
  by_name = functools.partial(explain, 'resnet14')
  for transform in (ticket.transform, explained, by_name):
    with pytest.raises(ValueError, match='order and plan are given; give one'):
      transform('resnet20', order='append', plan=plan)
  for transform in (ticket.transform, explained):
    with pytest.raises(ValueError, match='keep and plan are given'):
      transform('resnet20', keep=(1,), plan=plan)


@pytest.mark.parametrize(
  ('target', 'choices'),
  [
    ('resnet8', {'order': 'append', 'keep': (1,)}),
    ('resnet8', {'order': 'nonsense', 'drop': (1,)}),
    ('resnet8', {'keep': (1,), 'drop': (1,)}),
    ('resnet20', {'units': (1,), 'keep': (1,)}),
    ('resnet20', {'units': (1,), 'drop': (1,)}),
  ],
)
def test_choices_that_contradict_each_other(ticket, target, choices):
  message = f'{" and ".join(choices)} are given; give one'
  for transform in (ticket.transform, functools.partial(explain, ticket)):
    with pytest.raises(ValueError, match=message):
      transform(target, **choices)


def test_nothing_to_copy(ticket):
  shallow = ticket.transform('resnet8')
  with pytest.raises(ValueError, match='stage1: no units to replicate'):
    shallow.transform('resnet14')


@pytest.mark.parametrize(
  ('masks', 'message'),
  [
    ({}, 'missing w'),
    ({'w': np.ones(2, bool)}, r'mask w: bool\(2,\)'),
    ({'w': np.ones(3)}, r'mask w: float64\(3,\)'),
    ({'w': np.array([True, False, True])}, 'w: weights outside the mask'),
  ],
)
def test_masks_must_agree_with_weights(masks, message):
  with pytest.raises(ValueError, match=message):
    Ticket({}, {'w': np.ones(3)}, {}, masks)


def test_missing_file(tmp_path):
  with pytest.raises(FileNotFoundError, match='no ticket file'):
    Ticket.load(tmp_path / 'none.safetensors')


@settings(max_examples=60)
@given(data=st.data())
def test_any_damage_is_noticed(ticket, tmp_path_factory, data):
  path = tmp_path_factory.mktemp('damage') / 'ticket.safetensors'
  ticket.save(path)
  content = bytearray(path.read_bytes())
  if data.draw(st.booleans()):
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= 1 << data.draw(st.integers(0, 7))
  else:
    content = content[: data.draw(st.integers(0, len(content) - 1))]
  path.write_bytes(content)
  with pytest.raises(ValueError, match='not a sound ticket file'):
    Ticket.load(path)


@pytest.mark.parametrize(
  'metadata',
  [
    None,
    {'format': 'pt'},
    {'elth_jax': '[]'},
    {'elth_jax': '{'},
    {'elth_jax': '{"format": "elth_jax.ticket/1", "sha256": "x"}'},
  ],
)
def test_foreign_files_are_refused(tmp_path, metadata):
  path = tmp_path / 'foreign.safetensors'
  tensors = {'w': np.ones(2, np.float32)}
  path.write_bytes(safetensors.numpy.save(tensors, metadata))
  with pytest.raises(ValueError, match=r'foreign\.safetensors is not a sound'):
    Ticket.load(path)


def test_metadata_is_plain_json(ticket, tmp_path):
  ticket.save(tmp_path / 't.safetensors')
  with safetensors.safe_open(tmp_path / 't.safetensors', 'numpy') as file:
    about = json.loads(file.metadata()['elth_jax'])
  assert about['architecture']['name'] == 'resnet14'
  assert about['provenance'] == {'level': 2, 'seed': 3}


EARLIER = Path(__file__).parent / 'data' / 'ticket-format2.safetensors'


def test_a_file_of_the_first_release_opens_and_is_written_the_same(tmp_path):
  """Made by `next_level` of resnet8 of width 2 before packages were moved."""
  ticket = Ticket.load(EARLIER)
  net = architecture('resnet8', (4, 4, 1), 3, 2)
  fresh = net.init(3)
  dense = dense_ticket(net, fresh['params'], fresh['batch_stats'])
  made = next_level(dense, dense, dense.params, 0.6)
  assert_same(dataclasses.replace(made, provenance=ticket.provenance), ticket)
  for one in (ticket, dataclasses.replace(made, provenance=ticket.provenance)):
    one.save(tmp_path / 'again.safetensors')
    again = (tmp_path / 'again.safetensors').read_bytes()
    assert again == EARLIER.read_bytes()


def test_copies_of_a_ticket_are_read_only(ticket):
  for other in (copy.deepcopy(ticket), pickle.loads(pickle.dumps(ticket))):
    assert_same(other, ticket)
    with pytest.raises(ValueError, match='read-only'):
      other.params['head']['bias'][0] = 1


@pytest.mark.parametrize(
  ('params', 'message'),
  [
    (np.ones(3), 'params is a ndarray'),
    ({'a': np.array('hello')}, 'no array of numbers'),
    ({'a': None}, 'mask a'),
  ],
)
def test_what_is_no_network_is_refused(params, message):
  with pytest.raises(ValueError, match=message):
    Ticket({}, params, {}, {'a': np.ones((), bool)})


def test_trees_too_deep_for_a_file_are_refused_before_it_is_written(tmp_path):
  deep = np.ones(1)
  for _ in range(40):
    deep = {0: deep}
  ticket = Ticket({}, {'a': np.ones(1)}, deep, {'a': None})
  with pytest.raises(ValueError, match='lies below 40 keys'):
    ticket.save(tmp_path / 'a.safetensors')
  assert not list(tmp_path.iterdir())


def test_a_network_without_known_stages_is_shown():
  mask = np.array([True, False, False, False])
  ticket = Ticket(
    architecture={'name': 'mine'},
    params={'dense': mask * 1.0},
    batch_stats={},
    masks={'dense': mask},
  )
  page = ticket._repr_html_()
  assert 'mine, 75.00% sparse' in page
  assert '<td>all</td><td>1</td><td>4</td>' in page and '25.00%' in page


def test_a_network_with_stages_is_shown_by_stage(ticket):
  page = ticket._repr_html_()
  rows = ('stage1', 'stage2', 'stage3', 'elsewhere', 'all')
  assert all(f'<td>{row}</td>' in page for row in rows)
