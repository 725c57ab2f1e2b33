"""Tickets as files: one safetensors file with JSON metadata, sealed by a hash.

A file may come from anybody, so it is read as if it were hostile: everything
it says is bounded and checked before anything is allocated for it. It holds
arrays and JSON alone; nothing in it is executed, imported or used as a path.

The SHA-256 is that of the file itself, with the 64 characters that hold it set
to zeros, so that a change of any byte is noticed.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from elth_jax.storage import tensors as tensors_file
from elth_jax.storage.files import local_path
from elth_jax.storage.tensors import read_object, start_of_data

FORMAT = 'elth_jax.ticket/2'
FORMAT_WITH_PATHS = 'elth_jax.ticket/3'  # names alone do not bring trees back
COMPACT_FORMAT = 'elth_jax.ticket/4'  # see `compact`
METADATA = 'elth_jax'  # the one key of the file's metadata

MAX_BYTES = 2**34  # of a file
MAX_NESTING = 32  # of the metadata
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
  about = {'format': _format(about), **about}
  _check_nesting(about)
  try:
    text = json.dumps(about, sort_keys=True, allow_nan=False)
  except (TypeError, ValueError) as error:
    raise ValueError(
      f'architecture and provenance of a ticket must be JSON: {error}'
    ) from None
  # one key: safetensors writes several in no fixed order
  metadata = {METADATA: f'{{"sha256": "{_UNSEALED}", {text[1:]}'}
  content = bytearray(tensors_file.encode(tensors, metadata))
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
  content, about = _read_checked(path)
  try:
    return tensors_file.decode(content), about
  except ValueError as error:
    raise unsound(path, error) from error


def read_about(path: Path | str) -> dict[str, Any]:
  """The metadata alone, after the hash of the whole file was checked.

  Raises:
    FileNotFoundError, ValueError: as `read`.
  """
  _, about = _read_checked(path)
  return about


def unsound(path: Path | str, why: object) -> ValueError:
  """What is raised for a file that cannot be used."""
  return ValueError(
    f'{path} is not a sound ticket file: {why}; fetch or make it again'
  )


def _read_checked(path: Path | str) -> tuple[bytearray, dict[str, Any]]:
  """Content and metadata, with format and hash checked."""
  path = local_path(path, 'the ticket file')
  if not path.is_file():
    folder = '; of a folder, Ticket.from_pretrained reads it' * path.is_dir()
    raise FileNotFoundError(f'no ticket file at {path}{folder}')
  try:
    size = path.stat().st_size
    if size > MAX_BYTES:
      raise ValueError(f'{size} bytes are more than {MAX_BYTES}')
    content = bytearray(path.read_bytes())
    about = _about(tensors_file.read_header(content))
    at = _seal_at(content)
    seal = content[at : at + len(_UNSEALED)]
    content[at : at + len(_UNSEALED)] = _UNSEALED.encode()
    if hashlib.sha256(content).hexdigest().encode() != seal:
      raise ValueError('its content does not match its SHA-256')
    if about.pop('sha256', None) != seal.decode():
      raise ValueError('it does not name its SHA-256')
  except ValueError as error:
    raise unsound(path, error) from error
  return content, {**about, 'sha256': seal.decode()}


def _about(header: Mapping[str, Any]) -> dict[str, Any]:
  metadata = header.get('__metadata__')
  if not isinstance(metadata, dict) or METADATA not in metadata:
    raise ValueError(
      f'its metadata has no {METADATA!r} (weights of PyTorch are read by '
      'elth_jax.tickets.pytorch.load_ticket)'
    )
  if not isinstance(metadata[METADATA], str):
    raise ValueError('its metadata is no text')
  about = read_object(metadata[METADATA].encode(), 'the metadata')
  expected = _format(about)
  if about.get('format') != expected:
    raise ValueError(f'its format is {about.get("format")!r}, not {expected!r}')
  _check_nesting(about)
  return about


def _format(about: Mapping) -> str:
  """The format that what a file says asks for."""
  if 'compact' in about:
    return COMPACT_FORMAT
  return FORMAT_WITH_PATHS if 'paths' in about else FORMAT


def _check_nesting(value: Any, deep: int = 0) -> None:
  if deep > MAX_NESTING:
    raise ValueError(f'metadata is nested more than {MAX_NESTING} deep')
  if isinstance(value, Mapping):
    value = value.values()
  elif not isinstance(value, list | tuple):
    return
  for item in value:
    _check_nesting(item, deep + 1)


def _seal_at(content: bytearray) -> int:
  """Where the 64 characters of the hash are."""
  start = start_of_data(content)
  at = content.find(_BEFORE_SEAL, 8, start)
  begin = at + len(_BEFORE_SEAL)
  end = begin + len(_UNSEALED)
  if at < 0 or content[end : end + len(_AFTER_SEAL)] != _AFTER_SEAL:
    raise ValueError('it has no SHA-256')
  if content.find(_BEFORE_SEAL, at + 1, start) >= 0:
    raise ValueError('it has more than one SHA-256')
  return begin
