"""Tickets as files: one safetensors file with JSON metadata, sealed by a hash.

A file may come from anybody, so it is read as if it were hostile: everything
it says is bounded and checked before anything is allocated for it. It holds
arrays and JSON alone; nothing in it is executed, imported or used as a path.

The SHA-256 is that of the file itself, with the 64 characters that hold it set
to zeros, so that a change of any byte is noticed.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import safetensors.numpy

FORMAT = 'elth_jax.ticket/2'
FORMAT_WITH_PATHS = 'elth_jax.ticket/3'  # names alone do not bring trees back
METADATA = 'elth_jax'  # the one key of the file's metadata

MAX_BYTES = 2**34  # of a file
MAX_HEADER_BYTES = 2**24
MAX_TENSORS = 100_000
MAX_NAME = 1024  # characters
MAX_PARTS = 32  # of a name, between slashes
MAX_AXES = 16
MAX_NESTING = 32  # of the metadata
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

_UNSEALED = '0' * 64
_BEFORE_SEAL = f'"{METADATA}":"{{\\"sha256\\": \\"'.encode()
_AFTER_SEAL = b'\\"'


def encode(tensors: Mapping[str, np.ndarray], about: Mapping) -> bytes:
  """The bytes of a file.

  Args:
    tensors: by name.
    about: JSON values, kept as metadata beside `format` and `sha256`.

  Raises:
    ValueError: naming the tensor, if its dtype cannot be written; or if
      `about` is no JSON (NaN is none), or is nested too deeply.
  """
  for name, tensor in tensors.items():
    if tensor.dtype.newbyteorder('<') not in DTYPES.values():
      raise ValueError(
        f'{name} is {tensor.dtype}, which a ticket file cannot hold; convert '
        f'it to one of {", ".join(map(str, DTYPES.values()))}'
      )
  kind = FORMAT_WITH_PATHS if 'paths' in about else FORMAT
  about = {'format': kind, **about}
  _check_nesting(about)
  try:
    text = json.dumps(about, sort_keys=True, allow_nan=False)
  except (TypeError, ValueError) as error:
    raise ValueError(
      f'architecture and provenance of a ticket must be JSON: {error}'
    ) from None
  # one key: safetensors writes several in no fixed order
  metadata = {METADATA: f'{{"sha256": "{_UNSEALED}", {text[1:]}'}
  content = bytearray(safetensors.numpy.save(dict(tensors), metadata))
  at = _seal_at(content)
  seal = hashlib.sha256(content).hexdigest().encode()
  content[at : at + len(seal)] = seal
  return bytes(content)


def read(path: Path | str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
  """Tensors by name, and the metadata, of a file that `encode` made.

  Raises:
    FileNotFoundError: if there is no such file.
    ValueError: if it is damaged, foreign, or beyond the limits above.
  """
  content, header, about = _read_checked(path)
  try:
    _check_tensors(header, len(content) - _start(content))
    return _decode(content, header), about
  except (ValueError, LookupError) as error:
    raise unsound(path, error) from error


def read_about(path: Path | str) -> dict[str, Any]:
  """The metadata alone, after the hash of the whole file was checked.

  Raises:
    FileNotFoundError, ValueError: as `read`.
  """
  _, _, about = _read_checked(path)
  return about


def unsound(path: Path | str, why: object) -> ValueError:
  """What is raised for a file that cannot be used."""
  return ValueError(
    f'{path} is not a sound ticket file: {why}; fetch or make it again'
  )


def _read_checked(path: Path | str) -> tuple[bytearray, dict, dict]:
  """Content, header and metadata, with format and hash checked."""
  path = Path(path)
  if not path.is_file():
    raise FileNotFoundError(f'no ticket file at {path}')
  try:
    size = path.stat().st_size
    if size > MAX_BYTES:
      raise ValueError(f'{size} bytes are more than {MAX_BYTES}')
    content = bytearray(path.read_bytes())
    header = _object(content[8 : _start(content)], 'the header')
    about = _about(header)
    at = _seal_at(content)
    seal = content[at : at + len(_UNSEALED)]
    content[at : at + len(_UNSEALED)] = _UNSEALED.encode()
    if hashlib.sha256(content).hexdigest().encode() != seal:
      raise ValueError('its content does not match its SHA-256')
    if about.pop('sha256', None) != seal.decode():
      raise ValueError('it does not name its SHA-256')
  except ValueError as error:
    raise unsound(path, error) from error
  return content, header, {**about, 'sha256': seal.decode()}


def _start(content: bytearray) -> int:
  """Where the tensors' bytes start."""
  length = int.from_bytes(content[:8], 'little')
  if len(content) < 8 or length > min(MAX_HEADER_BYTES, len(content) - 8):
    raise ValueError(f'a header of {length} bytes in {len(content)}')
  return 8 + length


def _about(header: Mapping[str, Any]) -> dict[str, Any]:
  metadata = header.get('__metadata__')
  if not isinstance(metadata, dict) or METADATA not in metadata:
    raise ValueError(f'its metadata has no {METADATA!r}')
  if not isinstance(metadata[METADATA], str):
    raise ValueError('its metadata is no text')
  about = _object(metadata[METADATA].encode(), 'the metadata')
  expected = FORMAT_WITH_PATHS if 'paths' in about else FORMAT
  if about.get('format') != expected:
    raise ValueError(f'its format is {about.get("format")!r}, not {expected!r}')
  _check_nesting(about)
  return about


def _object(content: bytes | bytearray, what: str) -> dict[str, Any]:
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


def _check_nesting(value: Any, deep: int = 0) -> None:
  if deep > MAX_NESTING:
    raise ValueError(f'metadata is nested more than {MAX_NESTING} deep')
  if isinstance(value, Mapping):
    value = value.values()
  elif not isinstance(value, list | tuple):
    return
  for item in value:
    _check_nesting(item, deep + 1)


def _decode(
  content: bytearray, header: Mapping[str, Any]
) -> dict[str, np.ndarray]:
  """The tensors that a checked header describes, each over bytes of its own."""
  start, tensors = _start(content), {}
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


def _seal_at(content: bytearray) -> int:
  """Where the 64 characters of the hash are."""
  start = _start(content)
  at = content.find(_BEFORE_SEAL, 8, start)
  begin = at + len(_BEFORE_SEAL)
  end = begin + len(_UNSEALED)
  if at < 0 or content[end : end + len(_AFTER_SEAL)] != _AFTER_SEAL:
    raise ValueError('it has no SHA-256')
  if content.find(_BEFORE_SEAL, at + 1, start) >= 0:
    raise ValueError('it has more than one SHA-256')
  return begin
