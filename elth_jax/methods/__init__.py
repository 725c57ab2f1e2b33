"""Methods by name: IMP, elastic tickets, baselines, controls, dynamic ones."""

from elth_jax.methods import baselines, controls
from elth_jax.methods import dynamic_sparse as growing
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
  'growing',
  'register',
]
