"""Twice the width by binary splitting, and half of it again.

Every channel becomes two neighbours (c -> 2c, 2c + 1), in all layers but the
input and the classes. A weight between two split channels becomes four, each
half of it, since each output channel now sums over twice as many inputs: so
the network computes what it did before. BN parameters and statistics, biases,
depthwise kernels and kernels on the raw input are copied without halving.
Halving the width keeps the first channel of each pair and doubles the weights
again, so it undoes doubling exactly.

References:
  Chen et al., earlier version of the paper, appendix on width (published
  without code: what is halved, the scale of the noise and the order of
  channels are our choices); Chen, Goodfellow and Shlens, Net2Net, 2016.
"""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from elth_jax.elastic.replicas import noisy_weights
from elth_jax.randomness import generator
from elth_jax.trees import PyTree, check_same_leaves, flatten, map_named

Variant = Literal['replicate', 'gaussian', 'permute']
VARIANTS: tuple[Variant, ...] = ('replicate', 'gaussian', 'permute')
# what `orders` of a study may say of widths
NARROW = 'narrow'
WIDEN = {f'widen {variant}': variant for variant in VARIANTS}
WIDTH_RULES = (*WIDEN, NARROW)


def widen_tree(tree: PyTree, wanted: PyTree, halve: bool = True) -> PyTree:
  """Doubles every axis that is twice as long in `wanted`.

  Args:
    tree: parameters, statistics or masks of the narrow network.
    wanted: the wide network's tree, anything with shapes, e.g. from
      `jax.eval_shape`; `None` leaves in `tree` are passed over.
    halve: divide weights by two where their input axis is doubled. Masks
      (bool) are never divided.

  Returns:
    A tree of numpy arrays with the shapes of `wanted`.

  Raises:
    ValueError: naming the leaf, if a shape is neither equal nor doubled.
  """

  def double(name, leaf, axes):
    for axis in axes:
      leaf = np.repeat(leaf, 2, axis)
    inputs = _input_axis(leaf)
    if halve and leaf.dtype != bool and inputs in axes:
      leaf = leaf / np.asarray(2, leaf.dtype)
    return leaf

  return _resize(tree, wanted, 2, double)


def narrow_tree(tree: PyTree, wanted: PyTree, double: bool = True) -> PyTree:
  """Halves every axis that is half as long in `wanted`: pairs lose the second.

  Args:
    tree: parameters, statistics or masks of the wide network.
    wanted: the narrow network's tree, anything with shapes.
    double: multiply weights by two where their input axis is halved, which
      makes this the inverse of `widen_tree`.

  Raises:
    ValueError: naming the leaf, if a shape is neither equal nor halved.
  """

  def halve(name, leaf, axes):
    for axis in axes:
      leaf = np.take(leaf, range(0, leaf.shape[axis], 2), axis)
    inputs = _input_axis(leaf)
    if double and leaf.dtype != bool and inputs in axes:
      leaf = leaf * np.asarray(2, leaf.dtype)
    return leaf

  return _resize(tree, wanted, 0.5, halve)


def vary(
  params: PyTree,
  masks: PyTree,
  variant: Variant,
  seed: int = 0,
  scale: float = 0.1,
) -> tuple[PyTree, PyTree]:
  """The paper's variants of a widened ticket: (params, masks).

  Args:
    params: widened parameters.
    masks: widened masks.
    variant: `replicate` leaves both alone; `gaussian` adds noise to the
      weights kept, not to the masks; `permute` shuffles weights and masks
      together within each masked leaf.
    seed: of noise or permutation.
    scale: the noise's deviation relative to that of the leaf's kept weights.
  """
  if variant not in VARIANTS:
    raise ValueError(f'variant is {variant!r}; known: {", ".join(VARIANTS)}')
  if variant == 'replicate':
    return params, masks

  def changed(name, weights, mask):
    if mask is None:
      return weights
    if variant == 'gaussian':
      return noisy_weights(name, weights, mask, scale, seed)
    return np.ravel(weights)[_order(name, weights, seed)].reshape(mask.shape)

  new = map_named(changed, params, masks)
  if variant == 'permute':
    masks = map_named(
      lambda name, mask: (
        None
        if mask is None
        else np.ravel(mask)[_order(name, mask, seed)].reshape(mask.shape)
      ),
      masks,
    )
  return new, masks


def _order(name: str, leaf: np.ndarray, seed: int) -> np.ndarray:
  return generator(seed, f'permute/{name}').permutation(leaf.size)


def _input_axis(leaf: np.ndarray) -> int | None:
  """The axis that a kernel sums over, apart from windows: the last but one."""
  return leaf.ndim - 2 if leaf.ndim >= 2 else None


def _resize(tree: PyTree, wanted: PyTree, factor: float, change) -> PyTree:
  have: Mapping[str, Any] = flatten(tree)
  shapes = dict(flatten(wanted).items())
  check_same_leaves(shapes, have, 'the tree to resize')

  def resized(name, leaf):
    if leaf is None:
      return None
    old, new = leaf.shape, tuple(shapes[name].shape)
    axes = [
      axis for axis, (o, n) in enumerate(zip(old, new, strict=False)) if o != n
    ]
    if len(old) != len(new) or any(old[a] * factor != new[a] for a in axes):
      raise ValueError(
        f'{name}: shape {old} cannot become {new}; every axis must stay or '
        f'change by a factor of {factor:g}'
      )
    return change(name, np.asarray(leaf), axes)

  return map_named(resized, tree)
