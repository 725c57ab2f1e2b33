"""How alike two masks are, beyond what chance would make them."""

import dataclasses
from collections.abc import Iterable

import numpy as np

from elth_jax.elastic.layout import Layout
from elth_jax.masks import check_bool
from elth_jax.trees import PyTree, check_same_leaves, flatten


@dataclasses.dataclass(frozen=True)
class Overlap:
  """Two masks compared.

  Attributes:
    both: weights that both keep.
    either: weights that one or the other keeps.
    both_by_chance: expected of random masks with the same density in each
      leaf.
    either_by_chance: likewise.
  """

  both: float
  either: float
  both_by_chance: float
  either_by_chance: float

  @property
  def iou(self) -> float:
    """Intersection over union; 1 where neither keeps anything."""
    return self.both / self.either if self.either else 1.0

  @property
  def chance(self) -> float:
    """What `iou` would be by chance."""
    if not self.either_by_chance:
      return 1.0
    return self.both_by_chance / self.either_by_chance

  @property
  def corrected(self) -> float:
    """0 for masks as alike as chance makes them, 1 for equal ones.

    0 too where chance alone makes them equal (dense masks).
    """
    if self.chance == 1:
      return 0.0
    return (self.iou - self.chance) / (1 - self.chance)


def overlap(one: PyTree, other: PyTree) -> Overlap:
  """Compares two trees of masks over all leaves that both have.

  Raises:
    ValueError: naming the leaf, if leaves or shapes differ, or a mask is not
      bool.
  """
  first, second = flatten(one), flatten(other)
  check_same_leaves(first, second, 'masks to compare')
  pairs = []
  for name, mask in first.items():
    if mask is None or second[name] is None:
      continue
    check_bool(name, mask)
    check_bool(name, second[name])
    if mask.shape != second[name].shape:
      raise ValueError(
        f'{name}: masks of shapes {mask.shape} and {second[name].shape}'
      )
    pairs.append((mask, second[name]))
  return _overlap(pairs)


def unit_overlap(
  masks: PyTree, layout: Layout = Layout()
) -> dict[str, np.ndarray]:
  """The corrected overlap of every two units of a stage, as a matrix.

  Units whose leaves differ in shape are compared on those that agree; NaN
  where none does.

  Returns:
    stage -> float64 (units, units).
  """
  named: dict[str, list[dict[str, np.ndarray]]] = {
    stage: [{} for _ in range(depth)]
    for stage, depth in layout.depths(masks).items()
  }
  for leaf in layout.leaves(masks):
    if leaf.stage is not None and leaf.value is not None:
      named[leaf.stage][leaf.unit][leaf.within] = leaf.value
  result = {}
  for stage, of in named.items():
    matrix = np.full((len(of), len(of)), np.nan)
    for i, one in enumerate(of):
      for j, other in enumerate(of):
        pairs = [
          (one[name], other[name])
          for name in sorted(one.keys() & other.keys())  # sums are in order
          if one[name].shape == other[name].shape
        ]
        if pairs:
          matrix[i, j] = _overlap(pairs).corrected
    result[stage] = matrix
  return result


def _overlap(pairs: Iterable[tuple[np.ndarray, np.ndarray]]) -> Overlap:
  both = either = both_chance = either_chance = 0.0
  for one, other in pairs:
    p, q = float(np.mean(one)), float(np.mean(other))
    both += float(np.count_nonzero(one & other))
    either += float(np.count_nonzero(one | other))
    both_chance += p * q * one.size
    either_chance += (p + q - p * q) * one.size
  return Overlap(both, either, both_chance, either_chance)
