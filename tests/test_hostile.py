"""Files and configs from anybody: only documented errors, within limits."""

import hashlib
import json
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elth_jax import Ticket
from elth_jax.storage import tensors as tensors_file
from elth_jax.study.spec import read_config
from elth_jax.tickets import file as ticket_file

BEFORE_SEAL = b'"elth_jax":"{\\"sha256\\": \\"'  # as in every ticket's header


def resealed(header: str, payload: bytes = b'') -> bytes:
  """A file with this header whose seal is right, whatever it says."""
  content = bytearray(struct.pack('<Q', len(header.encode())))
  content += header.encode() + payload
  at = content.find(BEFORE_SEAL)
  if at >= 0:
    at += len(BEFORE_SEAL)
    content[at : at + 64] = b'0' * 64
    seal = hashlib.sha256(content).hexdigest().encode()
    content[at : at + 64] = seal
  return bytes(content)


def header(about=None, tensors=None, **changes) -> str:
  """A header as `encode` writes it, with other metadata or tensors."""
  about = {
    'architecture': {},
    'format': ticket_file.FORMAT,
    'provenance': {},
    **changes,
    **(about or {}),
  }
  text = f'{{"sha256": "{"0" * 64}", {json.dumps(about)[1:]}'
  entries = {'__metadata__': {'elth_jax': text}, **(tensors or {})}
  return json.dumps(entries, separators=(',', ':'))


def tensor(dtype='F32', shape=(1,), offsets=(0, 4)):
  return {'dtype': dtype, 'shape': list(shape), 'data_offsets': list(offsets)}


def load(tmp_path, content: bytes) -> Ticket:
  path = tmp_path / 'ticket.safetensors'
  path.write_bytes(content)
  return Ticket.load(path)


def test_the_files_made_here_would_be_sound(tmp_path):
  content = resealed(header(tensors={'params/w': tensor()}), b'\0' * 4)
  assert load(tmp_path, content).params['w'].tolist() == [0]


NESTED = json.loads('[' * 40 + ']' * 40)
WRONG = {
  'no header': b'1234567',
  'endless header': struct.pack('<Q', 2**62) + b'{}',
  'large header': struct.pack('<Q', tensors_file.MAX_HEADER_BYTES + 1) + b'{}',
  'no json': resealed('{'),
  'no object': resealed('[]'),
  'no metadata': resealed('{}'),
  'metadata no text': resealed('{"__metadata__":{"elth_jax":1}}'),
  'nested header': resealed('[' * 200_000 + ']' * 200_000),
  'nested objects': resealed('{"a":' * 200_000 + '1' + '}' * 200_000),
  'nested metadata': resealed(header(provenance={'a': NESTED})),
  'NaN': resealed(header(provenance={'a': float('nan')})),
  'other format': resealed(header(format='elth_jax.ticket/1')),
  'a list': resealed(header(provenance=[])),
  'no architecture': resealed(header(architecture=None)),
  'a key twice': resealed(header()[:-1] + ',"a":1,"a":2}'),
  'two seals': resealed(header(provenance={'a': 1}) + ' ' + header()),
  'tensor is text': resealed(header(tensors={'params/w': 'x'})),
  'tensor lacks': resealed(header(tensors={'params/w': {'dtype': 'F32'}})),
  'dtype': resealed(header(tensors={'params/w': tensor('C64')}), b'\0' * 4),
  'dtype list': resealed(header(tensors={'params/w': tensor([])}), b'\0' * 4),
  'shape': resealed(header(tensors={'params/w': tensor(shape=(2,))}), b'0000'),
  'huge': resealed(
    header(tensors={'params/w': tensor(shape=(2**40, 2**40))}), b'\0' * 4
  ),
  'negative': resealed(
    header(tensors={'params/w': tensor(shape=(-1, -1))}), b'\0' * 4
  ),
  'true': resealed(
    header(tensors={'params/w': tensor(shape=(True,))}), b'0000'
  ),
  'axes': resealed(
    header(tensors={'params/w': tensor(shape=(1,) * 40)}), b'\0' * 4
  ),
  'overlap': resealed(
    header(tensors={f'params/{n}': tensor() for n in range(50)}), b'\0' * 4
  ),
  'gap': resealed(
    header(tensors={'params/w': tensor(offsets=(4, 8))}), b'\0' * 8
  ),
  'rest': resealed(header(tensors={'params/w': tensor()}), b'\0' * 8),
  'short': resealed(header(tensors={'params/w': tensor()}), b'\0' * 2),
  'long name': resealed(
    header(tensors={'params/' + 'w' * 2000: tensor()}), b'\0' * 4
  ),
  'deep name': resealed(
    header(tensors={'params' + '/w' * 40: tensor()}), b'\0' * 4
  ),
  'empty part': resealed(header(tensors={'params//w': tensor()}), b'\0' * 4),
  'unknown': resealed(header(tensors={'code/w': tensor()}), b'\0' * 4),
  'mask alone': resealed(
    header(tensors={'masks/w': tensor('BOOL', offsets=(0, 1))}), b'\1'
  ),
  'leaf below leaf': resealed(
    header(
      tensors={'params/w': tensor(), 'params/w/v': tensor(offsets=(4, 8))}
    ),
    b'\0' * 8,
  ),
}


@pytest.mark.parametrize('name', WRONG)
def test_what_a_file_says_is_bounded_and_checked(tmp_path, name):
  with pytest.raises(ValueError, match='is not a sound ticket file') as caught:
    load(tmp_path, WRONG[name])
  assert len(str(caught.value)) < 600


def test_files_beyond_the_limit_are_not_read(tmp_path, monkeypatch):
  monkeypatch.setattr(ticket_file, 'MAX_BYTES', 100)
  with pytest.raises(ValueError, match='more than 100'):
    load(tmp_path, resealed(header()))


def test_names_never_become_paths(tmp_path):
  names = {'params/../../evil': tensor(), 'params/..': tensor()}
  names['params/..']['data_offsets'] = [4, 8]
  content = resealed(header(tensors=names), b'\0' * 8)
  before = sorted(tmp_path.parent.rglob('*'))
  with pytest.raises(ValueError, match='not a sound ticket file'):
    load(tmp_path, content)
  content = resealed(header(tensors={'params/../../evil': tensor()}), b'\0' * 4)
  ticket = load(tmp_path, content)
  ticket.save(tmp_path / 'copy.safetensors')
  written = set(tmp_path.parent.rglob('*')) - set(before)
  assert all(tmp_path in path.parents for path in written)


JSON = st.recursive(
  st.none()
  | st.booleans()
  | st.integers()
  | st.floats()
  | st.text(max_size=8)
  | st.sampled_from(['resnet20', 'resnet9998', 'mlp3', 'vgg16', 'F32', 'BOOL']),
  lambda inner: (
    st.lists(inner, max_size=4)
    | st.dictionaries(
      st.sampled_from(['name', 'input_shape', 'classes', 'width'])
      | st.text(max_size=8),
      inner,
      max_size=4,
    )
  ),
  max_leaves=12,
)


@settings(max_examples=150)
@given(about=JSON, architecture=JSON, entry=JSON, payload=st.binary(max_size=9))
def test_any_header_is_loaded_or_refused(
  tmp_path_factory, about, architecture, entry, payload
):
  tmp_path = tmp_path_factory.mktemp('any')
  named = {'params/w': entry, 'masks/w': entry}
  wrong = header(
    {'provenance': about, 'architecture': architecture}, tensors=named
  )
  use(tmp_path, resealed(wrong, payload))
  use(tmp_path, resealed(header(architecture=architecture)))


def use(tmp_path, content):
  """Loads a file and asks the ticket for something."""
  try:
    ticket = load(tmp_path, content)
    assert 0 <= ticket.sparsity <= 1 or np.isnan(ticket.sparsity)
    ticket.transform('resnet20')
  except ValueError:
    pass


@settings(max_examples=200)
@given(data=st.data(), content=st.binary(max_size=200))
def test_any_bytes_are_refused(tmp_path_factory, data, content):
  tmp_path = tmp_path_factory.mktemp('bytes')
  if data.draw(st.booleans()):
    content = struct.pack('<Q', max(len(content) - 8, 0)) + content
  with pytest.raises(ValueError, match='not a sound ticket file'):
    load(tmp_path, content)


FIELDS = {
  'dataset': 'digits',
  'sources': ['resnet8'],
  'targets': ['resnet14'],
  'recipe': {'batch_size': 8, 'epochs': 2},
}
KEYS = st.sampled_from(
  [
    *FIELDS,
    'methods',
    'orders',
    'width',
    'levels',
    'compare_levels',
    'prune_fraction',
    'replicates',
    'seed',
    'pruning',
    'sparse',
    'analyses',
    'parallel',
    'checkpoint_seconds',
    'dry_run',
  ]
)


@settings(max_examples=300)
@given(st.dictionaries(KEYS | st.text(max_size=6), JSON, max_size=4))
def test_any_config_is_read_or_refused_by_name(changes):
  try:
    read_config({**FIELDS, **changes})
  except ValueError as error:
    assert str(error)
