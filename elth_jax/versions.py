"""The versions that a result depends on, as recorded beside it."""

import functools
import hashlib
import importlib.metadata
from pathlib import Path

from elth_jax._version import __version__


def versions() -> dict[str, str]:
  """Package name -> version, this package first."""
  others = ('jax', 'flax', 'optax')
  found = {name: importlib.metadata.version(name) for name in others}
  return {'elth_jax': __version__, **found}


@functools.cache
def code() -> str:
  """A hash of this package's source: it differs wherever a line does."""
  digest = hashlib.sha256()
  folder = Path(__file__).parent
  for path in sorted(folder.rglob('*.py')):
    digest.update(f'{path.relative_to(folder).as_posix()}\n'.encode())
    digest.update(path.read_bytes())
  return digest.hexdigest()[:16]
