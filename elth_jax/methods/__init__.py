"""Methods by name: IMP, elastic tickets, baselines, controls, dynamic ones."""

from elth_jax.methods import baselines, controls, dynamic_sparse
from elth_jax.methods.registry import (
  METHODS,
  Method,
  Pruning,
  Setting,
  Sparse,
  register,
)

__all__ = [
  'METHODS',
  'Method',
  'Pruning',
  'Setting',
  'Sparse',
  'baselines',
  'controls',
  'dynamic_sparse',
  'register',
]
