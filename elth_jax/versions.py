"""The versions that a result depends on, as recorded beside it."""

import functools
import hashlib
import importlib.metadata
from pathlib import Path

from elth_jax._version import __version__


def versions(kernels: str = '') -> dict[str, str]:
  """Package name -> version, this package first.

  Args:
    kernels: the C++ kernels that compute, added last; none are not named.
  """
  others = ('jax', 'flax', 'optax')
  found = {name: importlib.metadata.version(name) for name in others}
  made_by = {'kernels': kernels} if kernels else {}
  return {'elth_jax': __version__, **found, **made_by}


@functools.cache
def code() -> str:
  """A hash of this package's source: it differs wherever a line does."""
  digest = hashlib.sha256()
  folder = Path(__file__).parent
  patterns = '*.py', '*.cc', '*.h'
  files = [path for pattern in patterns for path in folder.rglob(pattern)]
  for path in sorted(files):
    digest.update(f'{path.relative_to(folder).as_posix()}\n'.encode())
    digest.update(path.read_bytes())
  return digest.hexdigest()[:16]
