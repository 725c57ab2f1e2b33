"""Dynamic sparse training: masks that change while a network is trained.

A method is a pair of functions inside the compiled step, as in optax: `init`
makes its arrays on the host; `update` changes weights, masks and
optimiser state. `DYNAMIC` lists them by name.

A new dynamic method is a new module here, which calls `register`; it is found.
"""

from elth_jax.dynamic.distribution import (
  erk_counts,
  random_masks,
  uniform_counts,
)
from elth_jax.dynamic.dpf import dpf
from elth_jax.dynamic.gmp import gmp
from elth_jax.dynamic.method import (
  DYNAMIC,
  Dynamic,
  DynamicEntry,
  Training,
  make_dynamic,
  register,
  settings_of,
)
from elth_jax.dynamic.options import Sparse
from elth_jax.dynamic.rigl import rigl
from elth_jax.registry import import_modules

__all__ = [
  'DYNAMIC',
  'Dynamic',
  'DynamicEntry',
  'Sparse',
  'Training',
  'dpf',
  'erk_counts',
  'gmp',
  'make_dynamic',
  'random_masks',
  'register',
  'rigl',
  'settings_of',
  'uniform_counts',
]

import_modules(__name__, __path__)
