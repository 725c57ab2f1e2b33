"""How many weights each layer keeps: Erdos-Renyi-Kernel, and uniform."""

import math
from collections.abc import Collection, Mapping

import numpy as np

from elth_jax.limits import number_of_weights
from elth_jax.randomness import generator
from elth_jax.trees import PyTree, map_named


def erk_counts(
  shapes: Mapping[str, tuple[int, ...]],
  keep: int,
  dense: Collection[str] = (),
) -> dict[str, int]:
  """ERK: densities in proportion to sum of shape / product of shape.

  A layer whose density would exceed 1 is dense, and the others share what is
  left.

  Args:
    shapes: of the prunable leaves, by name.
    keep: weights kept in all, exactly.
    dense: names of leaves that stay dense in any case.

  Raises:
    ValueError: if `keep` is less than the dense leaves have, too much or no
      whole number, or `dense` names another leaf.

  References:
    Evci et al., Rigging the Lottery, 2020, section 3; Mocanu et al. 2018.
  """
  sizes = {name: math.prod(shape) for name, shape in shapes.items()}
  full = _dense(sizes, dense)
  while True:
    rest = [name for name in shapes if name not in full]
    left = _left(sizes, full, keep)
    raw = {name: sum(shapes[name]) / sizes[name] for name in rest}
    weight = sum(raw[name] * sizes[name] for name in rest)
    factor = left / weight if weight else 0.0
    over = [name for name in rest if factor * raw[name] > 1]
    if not over:
      break
    full |= {max(over, key=lambda name: raw[name])}
  exact = {name: factor * sum(shapes[name]) for name in rest}
  return _rounded(sizes, full, exact, left)


def uniform_counts(
  shapes: Mapping[str, tuple[int, ...]],
  keep: int,
  dense: Collection[str] = (),
) -> dict[str, int]:
  """The same density in every layer but the dense ones.

  Args:
    shapes: of the prunable leaves, by name.
    keep: weights kept in all, exactly.
    dense: names of leaves that stay dense; the first layer, in the paper.

  Raises:
    ValueError: as `erk_counts` does.
  """
  sizes = {name: math.prod(shape) for name, shape in shapes.items()}
  full = _dense(sizes, dense)
  left = _left(sizes, full, keep)
  rest = {name: size for name, size in sizes.items() if name not in full}
  whole = sum(rest.values())
  exact = {name: left * size / whole for name, size in rest.items()}
  return _rounded(sizes, full, exact, left)


def random_masks(masks: PyTree, kept: Mapping[str, int], seed: int) -> PyTree:
  """Random masks with given counts; `None` leaves stay.

  Args:
    masks: which leaves are prunable, and their shapes.
    kept: how many weights each of them keeps.
    seed: of the choice, another one for each leaf.

  Raises:
    ValueError: naming the leaf, if it is not said how many it keeps.
  """

  def draw(name, mask):
    if mask is None:
      return None
    if name not in kept:
      raise ValueError(f'kept has no count of {name}; known: {sorted(kept)}')
    flat = np.arange(mask.size) < kept[name]
    order = generator(seed, f'sparse/{name}').permutation(flat)
    return order.reshape(mask.shape)

  return map_named(draw, masks)


def _dense(sizes: Mapping[str, int], dense: Collection[str]) -> set[str]:
  """The leaves that keep all they have, those without weights included."""
  if unknown := sorted(set(dense) - sizes.keys()):
    raise ValueError(
      f'dense names {unknown}, but the prunable leaves are {list(sizes)}'
    )
  return {*dense, *(name for name, size in sizes.items() if not size)}


def _left(sizes: Mapping[str, int], full: set[str], keep: int) -> int:
  """What is left for the layers that are not dense."""
  keep = number_of_weights(keep)
  taken = sum(sizes[name] for name in full)
  if not taken <= keep <= sum(sizes.values()):
    raise ValueError(
      f'cannot keep {keep} of {sum(sizes.values())} weights, {taken} of which '
      f'are in dense layers {sorted(full)}'
    )
  return keep - taken


def _rounded(sizes, full, exact, left: int) -> dict[str, int]:
  """Whole counts that sum up, what is over going to the largest remainders."""
  counts = {name: min(math.floor(exact[name]), sizes[name]) for name in exact}
  order = sorted(exact, key=lambda name: counts[name] - exact[name])
  over = left - sum(counts.values())
  while over > 0:
    for name in order:
      if over and counts[name] < sizes[name]:
        counts[name] += 1
        over -= 1
  return {name: sizes[name] if name in full else counts[name] for name in sizes}
