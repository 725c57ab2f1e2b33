"""Units chosen by their scores."""

import dataclasses
import re
from collections.abc import Mapping, Sequence

# kind of score -> stage -> a score for each unit, the best being the largest
Scores = Mapping[str, Mapping[str, Sequence[float]]]

LARGEST_COUNT = 999_999


@dataclasses.dataclass(frozen=True)
class Best:
  """The units of the largest scores: `best 2 by density`.

  Attributes:
    count: how many; `None` for as many as the target's stage takes.
    by: the kind of score, e.g. `density` or `magnitude`.

  Raises:
    ValueError: if the count is out of range, or the score is not one word.
  """

  count: int | None
  by: str

  def __post_init__(self):
    if self.count is not None and not 0 <= self.count <= LARGEST_COUNT:
      raise ValueError(
        f'best {self.count} by {self.by}: choose 0 to {LARGEST_COUNT} units'
      )
    if not re.fullmatch(r'\w+', self.by):
      raise ValueError(f'best by {self.by!r}: a score is named by one word')

  def __str__(self) -> str:
    count = '' if self.count is None else f' {self.count}'
    return f'best{count} by {self.by}'


def best_units(
  scores: Sequence[float], count: int, fixed: int = 1
) -> tuple[int, ...]:
  """The `count` units of the largest scores beyond the fixed, in order.

  Of equal scores the earlier unit is better.

  Raises:
    ValueError: if there are fewer units, or a score is NaN.
  """
  movable = range(fixed, len(scores))
  if not 0 <= count <= len(movable):
    raise ValueError(f'cannot choose {count} of {len(movable)} units')
  if any(score != score for score in scores):
    raise ValueError(f'scores {tuple(scores)} are not all numbers')
  ranked = sorted(movable, key=lambda unit: (-scores[unit], unit))
  return tuple(sorted(ranked[:count]))
