"""Compiled programs are kept on disk, so that a second start is a quick one."""

import hashlib
import platform
import warnings
from pathlib import Path

import jax

from elth_jax.files import cache_dir


def keep_compiled(folder: str | None = None) -> Path | None:
  """Turns on JAX's persistent compilation cache.

  Programs for CPU use what the processor that compiled them has, so every
  kind of processor has a folder of its own, below the one that is given.

  Args:
    folder: where to keep programs; `off` for nowhere; by default `compiled`
      in `files.cache_dir`.

  Returns:
    The folder; `None` if it is off, or if the default one cannot be made,
    which a warning says.

  Raises:
    OSError: if a folder that was asked for cannot be made.
  """
  if folder == 'off':
    return None
  base = Path(folder).expanduser() if folder else cache_dir() / 'compiled'
  path = base / _processor()
  try:
    path.mkdir(parents=True, exist_ok=True)
  except OSError as error:
    if folder:
      raise
    warnings.warn(
      f'compiled programs are not kept: {error}; give --compilation_cache, or '
      'set ELTH_JAX_CACHE',
      stacklevel=2,
    )
    return None
  jax.config.update('jax_compilation_cache_dir', str(path))
  # all are kept: which ones are slow to compile depends on the machine's mood
  jax.config.update('jax_persistent_cache_min_compile_time_secs', 0)
  return path


def _processor() -> str:
  """A name for this kind of processor: its architecture and its features."""
  features = platform.processor()
  about = Path('/proc/cpuinfo')
  if about.is_file():  # on Linux
    lines = about.read_text().splitlines()
    named = ('flags', 'Features', 'model name')
    features = '\n'.join(
      sorted({line for line in lines if line.startswith(named)})
    )
  digest = hashlib.sha256(features.encode()).hexdigest()[:12]
  return f'{platform.machine()}-{digest}'
