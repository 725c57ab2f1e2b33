"""Linear mode connectivity: what lies between two trainings of one ticket."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from elth_jax.trees import PyTree, map_named


def interpolate(one: PyTree, other: PyTree, share: float) -> PyTree:
  """(1 - share) `one` + share `other`, leaf by leaf, in the leaves' dtype.

  Half-precision leaves are added up in float32 and rounded once, and whole
  numbers, such as counters, to the nearest.

  Two networks with the same masks have zeros at the same places, and so has
  everything between them.

  Args:
    one: parameters (or BN statistics) of the first network.
    other: of the second.
    share: 0 for the first, 1 for the second.

  Raises:
    ValueError: naming the leaf, if the trees or shapes differ, or one alone
      has `None`.
  """

  def between(name, a, b):
    if a is None or b is None:
      return _none_of_both(name, a, b)
    dtype = np.asarray(a).dtype
    wide = np.promote_types(dtype, np.float32)
    a, b = np.asarray(a, wide), np.asarray(b, wide)
    if a.shape != b.shape:
      raise ValueError(f'{name}: shapes {a.shape} and {b.shape} differ')
    mixed = (1 - share) * a + share * b
    whole = not jax.dtypes.issubdtype(dtype, np.inexact)
    return (np.rint(mixed) if whole else mixed).astype(dtype)

  return map_named(between, one, other)


def _none_of_both(name: str, one: Any, other: Any) -> None:
  if one is not other:
    raise ValueError(f'{name}: None in one network, and an array in the other')


def barrier(accuracy: Sequence[float]) -> float:
  """The largest drop of accuracy below the mean of both ends, 0 at least.

  NaN if an accuracy is.

  Args:
    accuracy: at evenly spaced points from one network to the other.

  References:
    Frankle et al., Linear Mode Connectivity and the Lottery Ticket Hypothesis,
    2020, section 2 (there in error); Chen et al. 2021, figure 8.
  """
  ends = (accuracy[0] + accuracy[-1]) / 2
  return float(np.maximum(0.0, ends - np.min(accuracy)))
