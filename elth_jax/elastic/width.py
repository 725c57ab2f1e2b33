"""Twice the width by binary splitting, and half of it again.

Every channel becomes two neighbours (c -> 2c, 2c + 1), in all layers but the
input and the classes. A weight between two split channels becomes four, each
half of it, since each output channel now sums over twice as many inputs: so
the network computes what it did before. BN parameters and statistics, biases,
depthwise kernels and kernels on the raw input are copied without halving.
Halving the width keeps the first channel of each pair and doubles the weights
again, so it undoes doubling exactly.

Twins that are equal stay equal: after `replicate` both channels of a pair get
the same gradient at every step, so the wide network trains like the narrow
one with other learning rates for some layers, and never uses its width.
`gaussian` and `permute` set twins apart by changing what the network computes.
`uneven` does so without: it divides each weight in two unequal parts.

Attention, grouped convolutions and tied embeddings do not follow this rule.
Where names and shapes leave it open whether a kernel does, it is refused; see
`width_checks`.

References:
  Chen et al., earlier version of the paper, appendix on width (published
  without code: what is halved, the scale of the noise and the order of
  channels are our choices; `uneven` is not theirs); Chen, Goodfellow and
  Shlens, Net2Net, 2016.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np

from elth_jax.elastic.halves import divide, merge_pairs, times_two
from elth_jax.elastic.replicas import check_scale, noisy_weights
from elth_jax.elastic.width_checks import COPIED, check_kernels, last_part
from elth_jax.randomness import generator
from elth_jax.trees import (
  PyTree,
  check_same_leaves,
  flatten,
  map_named,
)

Variant = Literal['replicate', 'gaussian', 'permute', 'uneven']
Trusted = Callable[[str], bool] | None
VARIANTS: tuple[Variant, ...] = ('replicate', 'gaussian', 'permute', 'uneven')
# what `orders` of a study may say of widths
NARROW = 'narrow'
WIDEN = {f'widen {variant}': variant for variant in VARIANTS}
WIDTH_RULES = (*WIDEN, NARROW)


def widen_tree(
  tree: PyTree,
  wanted: PyTree,
  halve: bool = True,
  *,
  trusted: Trusted = None,
  uneven: int | None = None,
) -> PyTree:
  """Doubles every axis that is twice as long in `wanted`.

  Args:
    tree: parameters, statistics or masks of the narrow network.
    wanted: the wide network's tree, anything with shapes, e.g. from
      `jax.eval_shape`; `None` leaves in `tree` are passed over.
    halve: divide weights by two where their input axis is doubled. Masks
      (bool) are never divided. Without halving the wide network computes
      something else, and no kernel is refused as doubtful.
    trusted: says of a leaf's name that the last axis is the kernel's output
      and the last but one its only input, where that cannot be known:
      `trusted=lambda name: name in ('stem/kernel', 'stem2/kernel')`.
    uneven: a seed, to divide each weight not in halves but in two unequal
      parts, 60 to 90% and the rest, which sum to it exactly.

  Returns:
    A tree of numpy arrays with the shapes and dtypes of `wanted` and `tree`.

  Raises:
    ValueError: naming the leaf, if a shape is neither equal nor doubled, the
      rule may not hold for it (see `width_checks`), or its weights cannot be
      divided (whole numbers, or so small that a part would be 0).
  """
  if uneven is not None and not halve:
    raise ValueError('halve=False and uneven: weights are divided or not')

  def double(name, leaf, axes):
    inputs = _input_axis(name, leaf)
    divided = halve and leaf.dtype != bool and inputs in axes
    for axis in sorted(axes, key=lambda axis: axis == inputs):  # divided last
      if divided and axis == inputs:
        leaf = divide(name, leaf, axis, uneven)
      else:
        leaf = np.repeat(leaf, 2, axis)
    return leaf

  return _resize(tree, wanted, 2, double, halve, trusted)


def narrow_tree(
  tree: PyTree,
  wanted: PyTree,
  double: bool = True,
  *,
  trusted: Trusted = None,
  merge: bool = False,
) -> PyTree:
  """Halves every axis that is half as long in `wanted`: pairs lose the second.

  Args:
    tree: parameters, statistics or masks of the wide network.
    wanted: the narrow network's tree, anything with shapes.
    double: multiply weights by two where their input axis is halved, which
      makes this the inverse of `widen_tree` with equal halves.
    trusted: as for `widen_tree`.
    merge: sum the weights from both channels of a pair instead of doubling
      the first's, which is the inverse for equal and for uneven parts. Of two
      mask entries one is enough.

  Raises:
    ValueError: naming the leaf, as `widen_tree`, or if a doubled weight
      would be infinite.
  """
  if merge and not double:
    raise ValueError('double=False and merge: weights are summed or not')

  def halve(name, leaf, axes):
    inputs = _input_axis(name, leaf)
    for axis in axes:
      if merge and axis == inputs:
        leaf = merge_pairs(name, leaf, axis)
      else:
        leaf = np.take(leaf, range(0, leaf.shape[axis], 2), axis)
    if double and not merge and leaf.dtype != bool and inputs in axes:
      leaf = times_two(name, leaf)
    return leaf

  return _resize(tree, wanted, 0.5, halve, double, trusted)


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
    variant: `gaussian` adds noise to the weights kept, not to the masks;
      `permute` shuffles weights and masks together within each masked leaf;
      `replicate` and `uneven` leave both alone (`widen_tree` divides weights
      unevenly).
    seed: of noise or permutation.
    scale: the noise's deviation relative to that of the leaf's kept weights.

  Raises:
    ValueError: if there is no such variant, or the scale is negative or not
      finite.
  """
  check_variant(variant, scale)
  if variant in ('replicate', 'uneven'):
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


def check_variant(variant: str, scale: float = 0.0) -> None:
  """Raises `ValueError` if there is no such variant, or no such noise."""
  if variant not in VARIANTS:
    raise ValueError(f'variant is {variant!r}; known: {", ".join(VARIANTS)}')
  check_scale(scale)


def changed_axes(
  tree: PyTree, wanted: PyTree, factor: float
) -> dict[str, list[int]]:
  """By leaf, the axes whose length changes by the factor; none for `None`.

  Raises:
    ValueError: naming the leaf, if another axis changes.
  """
  have, shapes = flatten(tree), flatten(wanted)
  check_same_leaves(shapes, have, 'the tree to resize')
  axes: dict[str, list[int]] = {}
  for name, leaf in have.items():
    if leaf is None:
      continue
    old, new = np.shape(leaf), tuple(getattr(shapes[name], 'shape', ()))
    pairs = enumerate(zip(old, new, strict=False))
    axes[name] = [axis for axis, (o, n) in pairs if o != n]
    if len(old) != len(new) or any(
      old[axis] * factor != new[axis] for axis in axes[name]
    ):
      raise ValueError(
        f'{name}: shape {old} cannot become {new}; every axis must stay or '
        f'change by a factor of {factor:g}'
      )
  return axes


def _order(name: str, leaf: np.ndarray, seed: int) -> np.ndarray:
  return generator(seed, f'permute/{name}').permutation(leaf.size)


def _input_axis(name: str, leaf: np.ndarray) -> int | None:
  """The axis that a kernel sums over, apart from windows: the last but one."""
  if leaf.ndim < 2 or last_part(name) in COPIED:
    return None
  return leaf.ndim - 2


def _resize(
  tree: PyTree, wanted: PyTree, factor: float, change, checked, trusted
) -> PyTree:
  axes = changed_axes(tree, wanted, factor)
  leaves = {name: np.asarray(flatten(tree)[name]) for name in axes}
  if checked:
    numbers = {n: leaf for n, leaf in leaves.items() if leaf.dtype != bool}
    check_kernels(
      {name: leaf.shape for name, leaf in numbers.items()},
      {name: axes[name] for name in numbers},
      trusted,
    )
  return map_named(
    lambda name, leaf: (
      None if leaf is None else change(name, leaves[name], axes[name])
    ),
    tree,
  )
