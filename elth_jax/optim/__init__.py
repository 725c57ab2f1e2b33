"""Sparse training in one's own loop, as transformations of optax.

`keep_masked` trains under masks that stay; `rigl`, `set` and `dpf` change them
meanwhile; `prune` and `rewind` are a level of IMP. The masks are part of the
optimiser's state: `masks_of` finds them, and `masked` applies them.

  tx = elth_jax.optim.keep_masked(optax.adamw(1e-3), masks)
"""

from elth_jax.optim.dynamic_sparse import dpf, rigl, set_
from elth_jax.optim.imp import prune, rewind
from elth_jax.optim.keep_masked import keep_masked
from elth_jax.optim.state import SparseState, masked, masks_of

set = set_

__all__ = [
  'SparseState',
  'dpf',
  'keep_masked',
  'masked',
  'masks_of',
  'prune',
  'rewind',
  'rigl',
  'set',
]
