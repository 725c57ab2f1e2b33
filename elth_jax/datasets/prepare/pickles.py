"""CIFAR's Python version, read without unpickling arbitrary objects.

A pickle may call any function. This reader knows only numpy's arrays, and
makes them of their bytes itself; a file that names anything else is refused.
"""

import io
import pickle
from typing import Any

import numpy as np

RECONSTRUCT = '_reconstruct'
MODULES = ('numpy.core.multiarray', 'numpy._core.multiarray')


class PickleError(ValueError):
  """A pickle that is damaged, or holds more than arrays; names the file."""


class _Type:
  """Stands for numpy.dtype."""

  def __init__(self, code: bytes | str, *_):
    self.code = code.decode() if isinstance(code, bytes) else code

  def __setstate__(self, state):
    """Byte order and the like, which bytes do not have."""


class _Array:
  """Stands for numpy.ndarray; `array` is what it holds."""

  array = np.zeros(0, np.uint8)

  def __setstate__(self, state):
    _, shape, kind, fortran, content = state
    if kind.code != 'u1' or not isinstance(content, bytes):
      raise pickle.UnpicklingError(f'an array of {kind.code}')
    order = 'F' if fortran else 'C'
    self.array = np.frombuffer(content, np.uint8).reshape(shape, order=order)


def _encode(text: str, encoding: str) -> bytes:
  """How Python 3 writes bytes into old pickles."""
  if encoding != 'latin1':
    raise pickle.UnpicklingError(f'bytes as {encoding}')
  return text.encode('latin1')


KNOWN = {
  ('numpy', 'ndarray'): _Array,
  ('numpy', 'dtype'): _Type,
  ('_codecs', 'encode'): _encode,
  **{(module, RECONSTRUCT): lambda *_: _Array() for module in MODULES},
}


class _Reader(pickle.Unpickler):
  def find_class(self, module_name: str, global_name: str) -> Any:
    if (module_name, global_name) not in KNOWN:
      raise pickle.UnpicklingError(f'it names {module_name}.{global_name}')
    return KNOWN[module_name, global_name]


def load(name: str, content: bytes) -> dict[str, Any]:
  """The dictionary of a batch; arrays are uint8.

  Args:
    name: of the file, for errors.
    content: of the file.

  Raises:
    PickleError: if it holds anything else.
  """
  try:
    found = _Reader(io.BytesIO(content), encoding='bytes').load()
  except Exception as error:  # a damaged pickle raises any class
    raise PickleError(
      f'{name} cannot be read as a batch of CIFAR: {error}'
    ) from error
  if not isinstance(found, dict):
    raise PickleError(f'{name} holds a {type(found).__name__}, no batch')
  return {
    key.decode() if isinstance(key, bytes) else str(key): value.array
    if isinstance(value, _Array)
    else value
    for key, value in found.items()
  }
