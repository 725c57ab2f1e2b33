"""Dynamic sparse training: masks that change while a network is trained.

A method is a pair of functions inside the compiled step, as in optax: `init`
makes its arrays on the host; `update` changes weights, masks and
optimiser state. `DYNAMIC` lists them by name.
"""

from elth_jax.dynamic.distribution import erk_counts, uniform_counts
from elth_jax.dynamic.dpf import dpf
from elth_jax.dynamic.method import (
  DYNAMIC,
  Dynamic,
  Training,
  make_dynamic,
)
from elth_jax.dynamic.rigl import rigl

__all__ = [
  'DYNAMIC',
  'Dynamic',
  'Training',
  'dpf',
  'erk_counts',
  'make_dynamic',
  'rigl',
  'uniform_counts',
]
