"""Compact ticket files: small, equal to the ticket, read as if hostile."""

import json

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from elth_jax.families import architecture
from elth_jax.methods.lottery import dense_ticket, next_level
from elth_jax.storage import tensors as tensors_file
from elth_jax.tickets import compact
from elth_jax.tickets import file as ticket_file
from elth_jax.tickets.arrays import to_arrays
from elth_jax.tickets.ticket import Ticket
from elth_jax.tickets.value import COLLECTIONS


def sparse_ticket(name='resnet8', width=4, fraction=0.9):
  net = architecture(name, (8, 8, 1), 10, width)
  dense = dense_ticket(net, **net.init(0))
  return next_level(dense, dense, dense.params, fraction)


def arrays_of(ticket):
  trees = {name: getattr(ticket, name) for name in COLLECTIONS}
  return to_arrays(trees, optional='masks')[0]


def same(one, other):
  ours, theirs = arrays_of(one), arrays_of(other)
  assert ours.keys() == theirs.keys()
  for name, array in ours.items():
    assert array.dtype == theirs[name].dtype
    np.testing.assert_array_equal(array, theirs[name])


@pytest.mark.parametrize('state', ['rewound', 'trained'])
def test_what_is_read_is_what_was_written(tmp_path, state):
  ticket = sparse_ticket()
  ticket = Ticket(
    **{name: getattr(ticket, name) for name in COLLECTIONS},
    architecture=ticket.architecture,
    provenance={'level': 3},
    state=state,
  )
  ticket.save(tmp_path / 'full')
  ticket.save(tmp_path / 'small', compact=True)
  for name in ('full', 'small'):
    found = Ticket.load(tmp_path / name)
    same(found, ticket)
    assert found.state == state and found.provenance == {'level': 3}
    assert found.architecture == ticket.architecture


@pytest.mark.parametrize('fraction', [0.01, 0.5, 0.99])
@pytest.mark.parametrize('values', [None, 'bfloat16'])
def test_files_are_as_small_as_they_can_be(tmp_path, fraction, values):
  ticket = sparse_ticket(width=8, fraction=fraction)
  ticket.save(tmp_path / 'small', compact=True, values=values)
  arrays = arrays_of(ticket)
  bound, number = 2000, len(arrays)
  for name, array in arrays.items():
    if name.startswith('masks/'):
      size = 2 if values else 4
      bound += -(-array.size // 8) + size * int(array.sum())
    elif f'masks/{name.removeprefix("params/")}' not in arrays:
      bound += array.nbytes
  assert (tmp_path / 'small').stat().st_size <= bound + 100 * number
  if fraction == 0.99 and values is None:
    ticket.save(tmp_path / 'full')
    sizes = [(tmp_path / name).stat().st_size for name in ('full', 'small')]
    assert sizes[0] > 5 * sizes[1]


def test_values_may_be_rounded_and_keep_their_dtype(tmp_path):
  ticket = sparse_ticket()
  ticket.save(tmp_path / 'small', compact=True, values='bfloat16')
  found = arrays_of(Ticket.load(tmp_path / 'small'))
  for name, array in arrays_of(ticket).items():
    assert found[name].dtype == array.dtype
    np.testing.assert_allclose(found[name], array, rtol=2**-8)
  with pytest.raises(ValueError, match="'int8'; give bfloat16 or float16"):
    ticket.save(tmp_path / 'x', compact=True, values='int8')
  with pytest.raises(ValueError, match='give compact=True too'):
    ticket.save(tmp_path / 'x', values='bfloat16')
  assert not (tmp_path / 'x').exists()


def test_values_that_would_be_infinite_are_named(tmp_path):
  weights = np.array([1e5, -1.0, 0.0], np.float32)
  ticket = Ticket(
    architecture={'name': 'mine'},
    params={'dense': weights},
    batch_stats={},
    masks={'dense': weights != 0},
  )
  with pytest.raises(ValueError, match=r'dense: float16 cannot hold.*None'):
    ticket.save(tmp_path / 'x', compact=True, values='float16')
  assert not (tmp_path / 'x').exists()
  ticket.save(tmp_path / 'x', compact=True, values='bfloat16')
  found = Ticket.load(tmp_path / 'x').params['dense']
  np.testing.assert_allclose(found, weights, rtol=2**-8)


@hypothesis.given(
  st.lists(
    st.tuples(
      st.lists(st.integers(0, 4), max_size=3),
      st.integers(0, 2**32),
      st.sampled_from(['float32', 'float16', 'float64']),
    ),
    max_size=4,
  )
)
def test_any_shapes(leaves):
  arrays = {'params/dense': np.arange(3.0)}
  for number, (shape, seed, dtype) in enumerate(leaves):
    draw = np.random.default_rng(seed)
    mask = draw.random(shape) < 0.5
    weights = np.where(mask, draw.normal(size=shape), 0).astype(dtype)
    arrays[f'params/{number}'] = np.asarray(weights)
    arrays[f'masks/{number}'] = np.asarray(mask)
  tensors, about = compact.pack(arrays)
  about = json.loads(json.dumps(about))
  found = compact.unpacked(tensors, about)
  assert found.keys() == arrays.keys()
  for name, array in arrays.items():
    assert found[name].dtype == array.dtype and found[name].shape == array.shape
    np.testing.assert_array_equal(found[name], array)
  assert about['content'] == compact.digest(arrays)


def changed(ticket, change):
  """The bytes of a compact file in which one thing was changed, sealed anew."""
  arrays = arrays_of(ticket)
  tensors, about = compact.pack(arrays)
  tensors, about = dict(tensors), json.loads(json.dumps(about))
  change(tensors, about)
  return ticket_file.encode(
    tensors,
    {
      'architecture': dict(ticket.architecture),
      'provenance': {},
      'compact': about,
    },
  )


def flip_a_value(tensors, about):
  name = f'params/{about["leaves"][0][0]}'
  tensors[name] = tensors[name] + 1


@pytest.mark.parametrize(
  ('change', 'message'),
  [
    (lambda t, a: a.pop('content'), 'its compact form is described by'),
    (lambda t, a: a.update(leaves=3), 'does not list its masked leaves'),
    (lambda t, a: a['leaves'].append(['x', [-1]]), 'described by'),
    (lambda t, a: a['leaves'].append(['x', [2**39, 9]]), 'read back as more'),
    (lambda t, a: a['leaves'][0][1].append(2), 'bytes of masks for'),
    (lambda t, a: a['leaves'].append(a['leaves'][0]), 'described by'),
    (lambda t, a: a['leaves'][0].append('object'), "dtype 'object'"),
    (lambda t, a: t.pop('masks'), 'bytes of masks for'),
    (lambda t, a: t.update(masks=t['masks'] ^ 1), 'bits of masks|are kept'),
    (lambda t, a: t.pop(f'params/{a["leaves"][0][0]}'), 'but not stored'),
    (flip_a_value, 'does not match its SHA-256'),
  ],
)
def test_files_that_contradict_themselves_are_refused(
  tmp_path, change, message
):
  path = tmp_path / 'ticket'
  path.write_bytes(changed(sparse_ticket(), change))
  with pytest.raises(ValueError, match=message):
    Ticket.load(path)


def test_the_formats_of_files(tmp_path):
  ticket = sparse_ticket()
  for options, number in (({}, 2), ({'compact': True}, 4)):
    content = ticket.to_bytes(**options)
    header = tensors_file.read_header(content)
    about = json.loads(header['__metadata__']['elth_jax'])
    assert about['format'] == f'elth_jax.ticket/{number}'
    assert ticket.to_bytes(**options) == content
