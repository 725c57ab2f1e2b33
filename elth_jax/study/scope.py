"""Where a claim holds: at which levels or sparsities, on which networks."""

import math
from collections.abc import Sequence
from typing import Literal

from elth_jax.study.sides import HIGHEST_LEVEL, decimal

# an int is a level of IMP, a float a share of zeros
At = int | float | Sequence[int | float] | Literal['highest']

PAPERS_FRACTION = 0.2  # of what is left, pruned at each level
# levels of the paper that are half a level apart are told apart
TOLERANCE = -math.log(1 - PAPERS_FRACTION) / 2


def split(at: At) -> tuple[tuple[int, ...], tuple[float, ...], bool]:
  """Levels, sparsities and whether the highest level is meant.

  Raises:
    ValueError: if it is another word.
  """
  if isinstance(at, str):
    if at != 'highest':
      raise ValueError(
        f'at is {at!r}; give levels of IMP, sparsities such as 0.8926, or '
        'highest'
      )
    return (), (), True
  values = (at,) if isinstance(at, int | float) else tuple(at)
  levels = tuple(value for value in values if isinstance(value, int))
  rest = tuple(value for value in values if not isinstance(value, int))
  return levels, rest, False


def read_at(
  text: str | None,
) -> tuple[tuple[int, ...], tuple[float, ...], bool]:
  """As `split`, of the words behind `at`; a sparsity has a decimal point."""
  if text == 'highest':
    return (), (), True
  words = (text or '').split()
  levels = tuple(int(word) for word in words if '.' not in word)
  return levels, tuple(float(word) for word in words if '.' in word), False


def write_at(
  levels: Sequence[int], sparsities: Sequence[float], highest: bool
) -> str:
  """The words behind `at`; empty for all levels."""
  words = [*map(str, levels), *map(decimal, sparsities)]
  return 'highest' if highest else ' '.join(words)


def fault(levels: Sequence[int], sparsities: Sequence[float]) -> str:
  """What cannot be meant by levels and sparsities; empty if nothing."""
  if wrong := [n for n in levels if not 1 <= n <= HIGHEST_LEVEL]:
    return (
      f'at {wrong[0]}; levels are 1 to {HIGHEST_LEVEL}, and dense networks '
      'stand beside every level'
    )
  if off := [s for s in sparsities if not 0 < s < 1]:
    return (
      f'sparsity {off[0]:g}; give a share of zeros between 0 and 1, or a level '
      'as a whole number'
    )
  return ''


def sparsity_of(level: int, fraction: float) -> float:
  """What IMP reaches at a level that prunes a fraction of what is left."""
  return 1 - (1 - fraction) ** level


def level_at(sparsity: float, fraction: float) -> int | None:
  """The level whose sparsity is nearest.

  Args:
    sparsity: share of zeros, above 0 and below 1.
    fraction: of the remaining weights that each level prunes.

  Returns:
    `None` if the nearest is off by more than half a level of the paper, in
    the logarithm of what is kept: 12% of the weights that remain.
  """
  step = -math.log(1 - fraction)
  wanted = -math.log(1 - sparsity)
  level = max(round(wanted / step), 1)
  return level if abs(level * step - wanted) <= TOLERANCE else None
