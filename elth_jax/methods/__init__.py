"""Methods by name: IMP, elastic tickets, baselines, controls, dynamic ones.

A new method is a new module here, which calls `register`; it is found.
"""

from elth_jax.methods.registry import (
  METHODS,
  Method,
  Pruning,
  Setting,
  Sparse,
  register,
)
from elth_jax.registry import import_modules

__all__ = [
  'METHODS',
  'Method',
  'Pruning',
  'Setting',
  'Sparse',
  'register',
]

import_modules(__name__, __path__)
