"""Fuzzes ticket and config loading: only documented errors may come out.

  pip install atheris && python benchmarks/fuzz.py ticket --seconds=180
  python benchmarks/fuzz.py config --seconds=180

Tickets are mutated headers with a right seal and mutated files, both of
coverage-guided bytes; whatever loads is transformed too. Of configs that are
read, the study's graph is built. Anything but
`ValueError` ends the run with the input that did it.
"""

import argparse
import contextlib
import hashlib
import json
import struct
import sys
import tempfile
from pathlib import Path
from typing import Any

import atheris

with atheris.instrument_imports(include=['elth_jax']):
  from elth_jax import Ticket, datasets
  from elth_jax.study.graph import build
  from elth_jax.study.spec import read_config

import numpy as np

KEYS = [
  *('dataset', 'sources', 'targets', 'recipe', 'methods', 'orders', 'width'),
  *('levels', 'compare_levels', 'prune_fraction', 'replicates', 'seed'),
  *('pruning', 'sparse', 'analyses', 'parallel', 'dtype', 'batch_size'),
  *('epochs', 'optimizer', 'learning_rate', 'drop_epochs', 'rewind_step'),
]
INNER = [
  *('name', 'input_shape', 'classes', 'shape', 'data_offsets', 'points'),
  *('connectivity', 'statistics'),
]
WORDS = [
  *('digits', 'resnet8', 'resnet20', 'mlp3', 'vgg16-2', 'imp', 'ett', 'rigl'),
  *('random', 'snip', 'append', 'interpolate', 'keep 1', '0:0,1', 'sgd'),
]
FOLDER = Path(tempfile.mkdtemp(prefix='elth_jax-fuzz-'))


def sound() -> bytes:
  """A small ticket's file, which mutations start from."""
  weights = np.array([[1.0, 0.0], [0.0, 2.0]], np.float32)
  ticket = Ticket(
    {'name': 'mlp2', 'input_shape': [2, 1, 1], 'classes': 2, 'width': 2},
    {'stage1': {'block0': {'fc': {'kernel': weights}}}},
    {},
    {'stage1': {'block0': {'fc': {'kernel': weights != 0}}}},
    {'level': 2},
  )
  path = FOLDER / 'sound.safetensors'
  ticket.save(path)
  return path.read_bytes()


SOUND, DIGITS = sound(), datasets.load('digits')


def ticket(data: bytes) -> None:
  give = atheris.FuzzedDataProvider(data)
  kind = give.ConsumeIntInRange(0, 2)
  content = bytearray(SOUND)
  if kind == 0:  # any bytes
    content = bytearray(give.ConsumeBytes(4096))
  elif kind == 1:  # bytes of a sound file changed
    for _ in range(give.ConsumeIntInRange(1, 8)):
      at = give.ConsumeIntInRange(0, len(content) - 1)
      content[at] = give.ConsumeIntInRange(0, 255)
  else:  # a header of other values
    start = 8 + struct.unpack('<Q', content[:8])[0]
    header = json.loads(content[8:start])
    about = json.loads(header['__metadata__']['elth_jax'])
    names = ['architecture', 'provenance', 'format', give.ConsumeString(4)]
    about[names[give.ConsumeIntInRange(0, 3)]] = value(give, 3)
    about.pop('sha256', None)
    names = [*header, give.ConsumeString(9)]
    name = names[give.ConsumeIntInRange(0, len(names) - 1)]
    if name != '__metadata__':
      header[name] = value(give, 3)
    text = json.dumps(about)
    header['__metadata__'] = {
      'elth_jax': f'{{"sha256": "{"0" * 64}", {text[1:]}'
    }
    encoded = json.dumps(header, separators=(',', ':')).encode()
    payload = content[start:] + give.ConsumeBytes(8)
    content = bytearray(struct.pack('<Q', len(encoded)) + encoded + payload)
  if give.ConsumeBool():
    seal(content)
  path = FOLDER / 'any.safetensors'
  path.write_bytes(content)
  with contextlib.suppress(ValueError):
    Ticket.load(path).transform('mlp3')


def seal(content: bytearray) -> None:
  at = content.find(b'{\\"sha256\\": \\"')
  if at < 0:
    return
  at += len(b'{\\"sha256\\": \\"')
  content[at : at + 64] = b'0' * 64
  content[at : at + 64] = hashlib.sha256(content).hexdigest().encode()


def value(give, deep: int):
  """Any JSON value, with words that mean something among them."""
  kind = give.ConsumeIntInRange(0, 9 if deep else 6)
  if kind < 2:
    return WORDS[give.ConsumeIntInRange(0, len(WORDS) - 1)]
  if kind == 2:
    return give.ConsumeInt(8)
  if kind == 3:
    return give.ConsumeIntInRange(0, 40)
  if kind == 4:
    return give.ConsumeFloat()
  if kind == 5:
    return give.ConsumeUnicodeNoSurrogates(8)
  if kind == 6:
    return [None, True, False][give.ConsumeIntInRange(0, 2)]
  size = give.ConsumeIntInRange(0, 4)
  if kind == 7:
    return [value(give, deep - 1) for _ in range(size)]
  keys = [*KEYS, *INNER]
  return {
    keys[give.ConsumeIntInRange(0, len(keys) - 1)]: value(give, deep - 1)
    for _ in range(size)
  }


def config(data: bytes) -> None:
  give = atheris.FuzzedDataProvider(data)
  asked: dict[str, Any] = {
    'dataset': 'digits',
    'sources': ['resnet8'],
    'targets': ['resnet14'],
    'recipe': {'batch_size': 8, 'epochs': 2},
  }
  for _ in range(give.ConsumeIntInRange(1, 4)):
    key = KEYS[give.ConsumeIntInRange(0, len(KEYS) - 1)]
    asked[key] = value(give, 3)
  if give.ConsumeBool():
    key = KEYS[give.ConsumeIntInRange(0, len(KEYS) - 1)]
    asked['recipe'] = {'batch_size': 8, 'epochs': 2, key: value(give, 2)}
  with contextlib.suppress(ValueError):
    spec, _ = read_config(asked)
    build(spec, {DIGITS.name: DIGITS})


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('what', choices=['ticket', 'config'])
  parser.add_argument('--seconds', type=int, default=180)
  arguments = parser.parse_args()
  target = {'ticket': ticket, 'config': config}[arguments.what]
  options = [f'-max_total_time={arguments.seconds}', '-max_len=4096']
  atheris.Setup([sys.argv[0], *options, '-print_final_stats=1'], target)
  atheris.Fuzz()


if __name__ == '__main__':
  main()
