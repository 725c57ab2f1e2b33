"""The state of a sparse optimiser, and the masks in it."""

from typing import Any, NamedTuple

import jax

from elth_jax.masks import apply_masks
from elth_jax.trees import PyTree


class SparseState(NamedTuple):
  """What `keep_masked`, `rigl`, `set` and `dpf` keep between steps.

  Attributes:
    masks: bool arrays with the structure of the parameters; `None` where a
      parameter is dense.
    inner: the state of the transformation that is wrapped.
    step: int32, how many updates there were.
    own: arrays of the method that changes masks; none where they stay.
  """

  masks: PyTree
  inner: Any
  step: jax.Array
  own: PyTree = ()


def masks_of(opt_state: Any) -> PyTree:
  """The masks in an optimiser's state, however deep they are in it.

  Args:
    opt_state: of a transformation of this package, perhaps inside of
      `optax.chain`, `optax.MultiSteps` or an `nnx.Optimizer`.

  Raises:
    ValueError: if there are none, or several.
  """
  leaves = jax.tree.leaves(opt_state, is_leaf=_is_sparse)
  found = [leaf for leaf in leaves if _is_sparse(leaf)]
  if len(found) != 1:
    raise ValueError(
      f'the state has the masks of {len(found)} sparse optimisers, not of one; '
      'give the state of elth_jax.optim.keep_masked, rigl, set or dpf'
    )
  return found[0].masks


def masked(params: PyTree, opt_state: Any) -> PyTree:
  """The parameters under the masks in an optimiser's state.

  Args:
    params: as they are trained; those of `dpf` are dense.
    opt_state: as for `masks_of`.

  Raises:
    ValueError: as `masks_of`.
  """
  return apply_masks(params, masks_of(opt_state))


def _is_sparse(value: Any) -> bool:
  return isinstance(value, SparseState)
