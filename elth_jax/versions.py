"""The versions that a result depends on, as recorded beside it."""

import importlib.metadata

import elth_jax


def versions() -> dict[str, str]:
  """Package name -> version, this package first."""
  others = ('jax', 'flax', 'optax')
  found = {name: importlib.metadata.version(name) for name in others}
  return {'elth_jax': elth_jax.__version__, **found}
