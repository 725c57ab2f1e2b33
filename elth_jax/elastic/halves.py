"""Weights divided in two parts and put together again, exactly.

References:
  Sterbenz, Floating-Point Computation, 1974: a difference of two numbers that
  are within a factor of two of each other is exact.
"""

import jax
import numpy as np

from elth_jax.randomness import generator


def divide(
  name: str, leaf: np.ndarray, axis: int, uneven: int | None
) -> np.ndarray:
  """Twice the length along `axis`: each weight in two parts, side by side.

  Args:
    name: of the leaf, for errors and for the draw.
    leaf: floating-point weights.
    axis: the input axis.
    uneven: a seed for unequal parts; `None` for halves.

  Raises:
    ValueError: naming the leaf, if a part of a weight would be 0, or both
      would not sum to it exactly.
  """
  _check_inexact(name, leaf)
  with np.errstate(under='ignore', invalid='ignore'):
    if uneven is None:
      first = second = leaf / np.asarray(2, leaf.dtype)
    else:
      first, second = _uneven_parts(name, leaf, uneven)
    exact = (first + second == leaf) | np.isnan(leaf)
  if np.any((leaf != 0) & ((first == 0) | (second == 0)) | ~exact):
    raise ValueError(
      f'{name}: {leaf.dtype} cannot hold the parts of its smallest weights, '
      'so kept weights would change or become 0; convert it to float32'
    )
  pairs = np.stack([first, second], axis + 1)
  shape = list(leaf.shape)
  shape[axis] *= 2
  return pairs.reshape(shape)


def _uneven_parts(
  name: str, leaf: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
  """Two parts of each weight, whose sum it is exactly.

  The larger part is at least half of the weight, so that the difference of
  both is no less exact than they are (Sterbenz's lemma).
  """
  if not np.all(np.isfinite(leaf)):
    raise ValueError(f'{name}: not all weights are finite numbers')
  draw = generator(seed, f'uneven/{name}')
  share = draw.uniform(0.6, 0.9, leaf.shape)
  larger_first = draw.random(leaf.shape) < 0.5
  larger = (leaf * share).astype(leaf.dtype)
  smaller = leaf - larger
  return (
    np.where(larger_first, larger, smaller),
    np.where(larger_first, smaller, larger),
  )


def merge_pairs(name: str, leaf: np.ndarray, axis: int) -> np.ndarray:
  """Half the length along `axis`: pairs of neighbours summed, or either."""
  one, other = (
    np.take(leaf, range(start, leaf.shape[axis], 2), axis) for start in (0, 1)
  )
  if leaf.dtype == bool:
    return one | other
  _check_inexact(name, leaf)
  with np.errstate(over='ignore', invalid='ignore'):
    merged = one + other
  return _finite_as(name, merged, one, other)


def times_two(name: str, leaf: np.ndarray) -> np.ndarray:
  """Twice every weight; `ValueError` naming the leaf if one overflows."""
  _check_inexact(name, leaf)
  with np.errstate(over='ignore'):
    doubled = leaf * np.asarray(2, leaf.dtype)
  return _finite_as(name, doubled, leaf)


def _finite_as(name: str, new: np.ndarray, *old: np.ndarray) -> np.ndarray:
  finite = np.logical_and.reduce([np.isfinite(leaf) for leaf in old])
  if np.any(finite & ~np.isfinite(new)):
    raise ValueError(
      f'{name}: {new.dtype} cannot hold twice its largest weights; convert it '
      'to float32'
    )
  return new


def _check_inexact(name: str, leaf: np.ndarray) -> None:
  if not jax.dtypes.issubdtype(leaf.dtype, np.inexact):
    raise ValueError(
      f'{name}: {leaf.dtype} weights cannot be divided or doubled exactly; '
      'convert them to float, or to bool if they are a mask'
    )
