"""Tickets as few bytes: a bit a weight for masks, and only the kept values.

Where there is a mask, a file holds the kept values in order, as one row. All
masks are one row of bits. What is read back equals the ticket, so the content
has a hash of its own, which does not depend on the form of the file.
"""

import hashlib
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from elth_jax.storage.tensors import DTYPES

MAX_BYTES = 2**34  # of what is read back
BITS = 'masks'
PARAMS, MASKS = 'params/', 'masks/'


def pack(
  arrays: Mapping[str, np.ndarray], values: str | None = None
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
  """The tensors of a compact file, and what it must know to read them.

  Args:
    arrays: by name, as `arrays.to_arrays` gives them.
    values: the dtype in which kept float values are stored, `bfloat16` or
      `float16`; by default their own.

  Raises:
    ValueError: if `values` is none of these, or, naming the leaf, cannot hold
      its largest weights.
  """
  masks = {n: a for n, a in arrays.items() if n.startswith(MASKS)}
  tensors = {n: a for n, a in arrays.items() if not n.startswith(MASKS)}
  masked = [name.removeprefix(MASKS) for name in sorted(masks)]
  leaves: list[list[Any]] = []
  for name in masked:
    weights, mask = arrays[PARAMS + name], masks[MASKS + name]
    kept = weights[mask]
    if values is not None:
      kept = _rounded(name, kept, values)
    tensors[PARAMS + name] = kept
    dtype = [str(weights.dtype)] if kept.dtype != weights.dtype else []
    leaves.append([name, list(mask.shape), *dtype])
  rows = [masks[MASKS + name].ravel() for name in masked]
  tensors[BITS] = np.packbits(np.concatenate(rows or [np.zeros(0, bool)]))
  return tensors, {'leaves': leaves, 'content': digest(unpack(tensors, leaves))}


def unpack(
  tensors: Mapping[str, np.ndarray], leaves: Any
) -> dict[str, np.ndarray]:
  """The arrays that `pack` was given.

  Args:
    tensors: of the file, which may come from anybody.
    leaves: what `pack` says of the masked ones.

  Raises:
    ValueError: if they contradict each other, or what is read back would be
      too large.
  """
  shapes = _checked(leaves)
  arrays = dict(tensors)
  bits = arrays.pop(BITS, np.zeros(0, np.uint8))
  if any(name.startswith(MASKS) for name in arrays):
    raise ValueError('it has masks both as bits and as arrays')
  total = sum(math.prod(shape) for shape, _ in shapes.values())
  if bits.dtype != np.uint8 or bits.shape != (-(-total // 8),):
    raise ValueError(f'{bits.shape} bytes of masks for {total} weights')
  flags = np.unpackbits(bits, count=total).astype(bool)
  if np.packbits(flags).tobytes() != bits.tobytes():
    raise ValueError('bits of masks are set beyond the last weight')
  at = 0
  for name, (shape, dtype) in shapes.items():
    size = math.prod(shape)
    mask = flags[at : at + size].reshape(shape)
    at += size
    kept = arrays.get(PARAMS + name)
    if kept is None or kept.shape != (int(mask.sum()),):
      raise ValueError(f'{name}: {mask.sum()} weights are kept, but not stored')
    weights = np.zeros(shape, dtype or kept.dtype)
    weights[mask] = kept.astype(weights.dtype)
    arrays[PARAMS + name], arrays[MASKS + name] = weights, mask
  return arrays


def unpacked(
  tensors: Mapping[str, np.ndarray], about: Any
) -> dict[str, np.ndarray]:
  """`unpack` by what a file says, its content compared with its hash.

  Raises:
    ValueError: as `unpack`, or if the content is not what was written.
  """
  if not isinstance(about, dict) or about.keys() != {'leaves', 'content'}:
    raise ValueError(f'its compact form is described by {about!r:.80}')
  arrays = unpack(tensors, about['leaves'])
  if digest(arrays) != about['content']:
    raise ValueError('its content does not match its SHA-256')
  return arrays


def digest(arrays: Mapping[str, np.ndarray]) -> str:
  """The SHA-256 of names, dtypes, shapes and bytes, in hexadecimal."""
  found = hashlib.sha256()
  for name in sorted(arrays):
    array = arrays[name]
    found.update(f'{name} {array.dtype} {array.shape}\n'.encode())
    found.update(np.asarray(array, order='C').tobytes())
  return found.hexdigest()


def _rounded(name: str, kept: np.ndarray, values: str) -> np.ndarray:
  """A leaf's kept values in the dtype `values`."""
  with np.errstate(over='ignore'):
    rounded = kept.astype(_storage(values))
  if np.any(np.isfinite(kept) & ~np.isfinite(rounded)):
    raise ValueError(
      f'{name}: {values} cannot hold its largest weights; give values=None, to '
      f'store them in {kept.dtype}'
    )
  return rounded


def _storage(values: str) -> np.dtype:
  known = {str(DTYPES[name]): DTYPES[name] for name in ('BF16', 'F16')}
  if values not in known:
    raise ValueError(f'values is {values!r}; give {" or ".join(known)}')
  return known[values]


def _checked(
  leaves: Any,
) -> dict[str, tuple[tuple[int, ...], np.dtype | None]]:
  """Leaf -> shape, and dtype if it is not that of the stored values."""
  known = {str(dtype): dtype for dtype in DTYPES.values()}
  found: dict[str, tuple[tuple[int, ...], np.dtype | None]] = {}
  if not isinstance(leaves, list):
    raise ValueError('it does not list its masked leaves')
  total = 0
  for entry in leaves:
    if not isinstance(entry, list) or len(entry) not in (2, 3):
      raise ValueError(f'a masked leaf is described by {entry!r:.80}')
    name, shape, *dtype = entry
    fits = isinstance(shape, list) and all(
      type(n) is int and 0 <= n < 2**40 for n in shape
    )
    if not isinstance(name, str) or name in found or not fits:
      raise ValueError(f'a masked leaf is described by {entry!r:.80}')
    if dtype and dtype[0] not in known:
      raise ValueError(f'{name}: dtype {dtype[0]!r:.40}')
    found[name] = tuple(shape), known[dtype[0]] if dtype else None
    total += 9 * math.prod(shape)  # at most eight bytes a weight, and its mask
    if total > MAX_BYTES:
      raise ValueError(f'it would be read back as more than {MAX_BYTES} bytes')
  return found
