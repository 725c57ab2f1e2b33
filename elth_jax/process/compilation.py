"""Compiled programs are kept on disk, so that a second start is a quick one."""

import warnings
from pathlib import Path

import jax
from jax.experimental.compilation_cache import compilation_cache

from elth_jax.process import processor
from elth_jax.storage.files import NoHomeError, cache_dir, local_path

# what `keep_compiled` was given last
_asked: str | None = None


def keep_compiled(folder: str | None = None) -> Path | None:
  """Turns on JAX's persistent compilation cache.

  Programs for CPUs use what the processor that compiled them has, so every
  kind of processor has a folder of its own, below the one that is given.

  It may be called after JAX has compiled something, e.g. for a config's file.
  This changes settings of the process, so only commands call it.

  Args:
    folder: where to keep programs; `off` for nowhere; by default `compiled`
      in `files.cache_dir`.

  Returns:
    The folder; `None` if it is off, or if the default one cannot be made,
    which a warning says.

  Raises:
    OSError: if a folder that was asked for cannot be made.
    ValueError: if it is not on this machine.
  """
  global _asked
  _asked = folder
  if folder == 'off':
    return None
  try:
    path = _base(folder) / processor.name()
    path.mkdir(parents=True, exist_ok=True)
  except (OSError, NoHomeError) as error:
    if folder is not None:
      raise
    warnings.warn(
      f'compiled programs are not kept: {error}; give --compilation_cache, or '
      'set ELTH_JAX_CACHE',
      stacklevel=2,
    )
    return None
  # a cache that JAX has looked for already stays as it was found
  compilation_cache.reset_cache()
  jax.config.update('jax_compilation_cache_dir', str(path))
  # all are kept: how long one takes to compile varies from run to run
  jax.config.update('jax_persistent_cache_min_compile_time_secs', 0)
  return path


def asked() -> str | None:
  """What `keep_compiled` was told last; `None` also if it was not called."""
  return _asked


def folder() -> Path | None:
  """Where what is compiled for this processor is kept; it may not be there.

  `None` if `keep_compiled` was told to keep nothing, or if the default folder
  would be in a home folder that cannot be found.

  Raises:
    ValueError: if it is not on this machine.
  """
  if _asked == 'off':
    return None
  try:
    return _base(_asked) / processor.name()
  except NoHomeError:
    return None


def _base(folder: str | None) -> Path:
  if folder is None:
    return cache_dir() / 'compiled'
  return local_path(folder, 'compilation_cache')
