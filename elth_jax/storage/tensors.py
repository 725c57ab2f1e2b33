"""Arrays as safetensors bytes, read as if they were hostile.

Everything that a header says is bounded and checked before anything is
allocated for it; nothing is executed, imported or used as a path. Unlike
`safetensors.numpy`, this reads half-precision numbers.
"""

import json
import math
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
import safetensors.numpy

MAX_HEADER_BYTES = 2**24
MAX_TENSORS = 100_000
MAX_NAME = 1024  # characters
MAX_PARTS = 32  # of a name, between slashes
MAX_AXES = 16
# names of safetensors -> dtypes; complex and other numbers are not written
DTYPES = {
  'BOOL': np.dtype(bool),
  'BF16': np.dtype(jnp.bfloat16),
  'F8_E4M3': np.dtype(jnp.float8_e4m3fn),
  'F8_E5M2': np.dtype(jnp.float8_e5m2),
  **{f'F{8 * n}': np.dtype(f'<f{n}') for n in (2, 4, 8)},
  **{f'I{8 * n}': np.dtype(f'<i{n}') for n in (1, 2, 4, 8)},
  **{f'U{8 * n}': np.dtype(f'<u{n}') for n in (1, 2, 4, 8)},
}


def encode(
  tensors: Mapping[str, np.ndarray], metadata: dict[str, str] | None = None
) -> bytes:
  """The bytes of a safetensors file.

  Raises:
    ValueError: naming the tensor, if its dtype cannot be written, or it is
      beyond the limits above.
  """
  for name, tensor in tensors.items():
    if tensor.dtype.newbyteorder('<') not in DTYPES.values():
      raise ValueError(
        f'{name} is {tensor.dtype}, which files here cannot hold; convert it '
        f'to one of {", ".join(map(str, DTYPES.values()))}'
      )
  content = safetensors.numpy.save(dict(tensors), metadata)
  _check_tensors(read_header(content), len(content) - start_of_data(content))
  return content  # what was written can be read


def decode(content: bytes | bytearray) -> dict[str, np.ndarray]:
  """The arrays by name, each over bytes of its own that nobody can change.

  Raises:
    ValueError: if the content is damaged, or beyond the limits above.
  """
  header = read_header(content)
  start = start_of_data(content)
  _check_tensors(header, len(content) - start)
  tensors = {}
  for name, entry in header.items():
    if name == '__metadata__':
      continue
    begin, end = entry['data_offsets']
    data = bytes(content[start + begin : start + end])
    dtype = DTYPES[entry['dtype']]
    if entry['dtype'] == 'BOOL' and data.translate(None, b'\0\1'):
      raise ValueError(f'{name!r} is BOOL with values other than 0 and 1')
    tensors[name] = np.ndarray(tuple(entry['shape']), dtype, data)
  return tensors


def read_header(content: bytes | bytearray) -> dict[str, Any]:
  """The header: a description of each tensor, and `__metadata__`."""
  return read_object(content[8 : start_of_data(content)], 'the header')


def start_of_data(content: bytes | bytearray) -> int:
  """Where the tensors' bytes start."""
  length = int.from_bytes(content[:8], 'little')
  if len(content) < 8 or length > min(MAX_HEADER_BYTES, len(content) - 8):
    raise ValueError(
      f'a header of {length} bytes in {len(content)}, so it is cut off or no '
      'safetensors file'
    )
  return 8 + length


def read_object(content: bytes | bytearray, what: str) -> dict[str, Any]:
  """A JSON object without repeated keys, NaN or endless nesting."""

  def once(pairs):
    if len({key for key, _ in pairs}) < len(pairs):
      raise ValueError(f'{what} has a key twice')
    return dict(pairs)

  def constant(name):
    raise ValueError(f'{what} has {name}')

  try:
    found = json.loads(content, object_pairs_hook=once, parse_constant=constant)
  except RecursionError:
    raise ValueError(f'{what} is nested too deeply') from None
  if not isinstance(found, dict):
    raise ValueError(f'{what} is no JSON object')
  return found


def _check_tensors(header: Mapping[str, Any], size: int) -> None:
  """Checks names, types, shapes and offsets: tensors fill `size` bytes once."""
  entries = {k: v for k, v in header.items() if k != '__metadata__'}
  if len(entries) > MAX_TENSORS:
    raise ValueError(f'{len(entries)} tensors are more than {MAX_TENSORS}')
  spans = []
  for name, entry in entries.items():
    if len(name) > MAX_NAME or name.count('/') >= MAX_PARTS:
      raise ValueError(f'the name {name[:40]!r}... is too long')
    if not isinstance(entry, dict) or entry.keys() != {
      'dtype',
      'shape',
      'data_offsets',
    }:
      raise ValueError(f'{name!r} is described by {entry!r:.80}')
    dtype = entry['dtype']
    if not isinstance(dtype, str) or dtype not in DTYPES:
      raise ValueError(f'{name!r} has dtype {dtype!r:.40}')
    shape = _numbers(name, entry['shape'])
    span = _numbers(name, entry['data_offsets'])
    if len(shape) > MAX_AXES or len(span) != 2:
      raise ValueError(f'{name!r} has shape {shape}, offsets {span}')
    if span[1] - span[0] != DTYPES[dtype].itemsize * math.prod(shape):
      raise ValueError(f'{name!r}: {dtype}{shape} does not fill bytes {span}')
    spans.append(span)
  end = 0
  for begin, until in sorted(spans):
    if begin != end:
      raise ValueError(
        f'bytes {min(begin, end)} to {max(begin, end)} are amiss'
      )
    end = until
  if end != size:
    raise ValueError(f'tensors fill {end} of {size} bytes')


def _numbers(name: str, values: Any) -> list[int]:
  if not isinstance(values, list) or not all(
    type(v) is int and 0 <= v < 2**63 for v in values
  ):
    raise ValueError(f'{name!r} has {values!r:.80} for a list of sizes')
  return values
