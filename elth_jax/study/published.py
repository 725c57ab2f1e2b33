"""What a paper publishes, as values that a study's results stand beside.

`published('resnet32', 'ett from resnet20', 91.38, at=10)` is the number whose
text is `resnet32 ett from resnet20 at 10: 91.38`: test accuracy in percent. In
place of the level, `at=0.8926` is a sparsity (share of zeros); in place of
accuracy, there are the measures of `sides.MEASURES`, as in `barrier_ett`.
"""

import dataclasses
import math
import re

from elth_jax.study import scope
from elth_jax.study.sides import (
  HIGHEST_LEVEL,
  SIDE,
  Side,
  as_side,
  decimal,
  parts_of,
)

_NUMBER = re.compile(
  rf'([a-z][\w-]*) {SIDE}(?: at (\d+(?:\.\d+)?))?: (\d+(?:\.\d+)?)'
  r'(?: \((.+)\))?',
  re.ASCII,
)


@dataclasses.dataclass(frozen=True)
class Published:
  """One number of a paper.

  Attributes:
    target: the network trained.
    side: how its ticket was made.
    level: of IMP; 0 for dense networks, and where a sparsity is given.
    accuracy: test accuracy in percent, or another measure in its unit.
    where: table or figure, if it is said.
    written: the text that it was read from, which makes no difference to
      whether two numbers are equal.
    sparsity: share of zeros, in place of a level; else 0.

  Raises:
    ValueError: naming what cannot be meant.
  """

  target: str
  side: Side
  level: int
  accuracy: float
  where: str = ''
  written: dataclasses.InitVar[str] = ''
  _: dataclasses.KW_ONLY
  sparsity: float = 0.0
  text: str = dataclasses.field(init=False, compare=False, repr=False)

  def __post_init__(self, written: str):
    object.__setattr__(self, 'text', written or self._canonical())
    most = math.inf if self.side.measure in ('cost', 'hours') else 100
    if not 0 <= self.accuracy <= most:
      bound = 'more than 100%' if self.accuracy > 100 else 'no share of 100%'
      raise ValueError(
        f'published {self.text!r}: {decimal(self.accuracy)} is {bound}'
      )
    dense = self.side.trained == 'dense'
    some = bool(self.level) != bool(self.sparsity)
    known = 0 <= self.level <= HIGHEST_LEVEL and 0 <= self.sparsity < 1
    if not known or some == dense or (self.level and self.sparsity):
      raise ValueError(
        f'published {self.text!r}: dense networks have no level, and all '
        f'others one of 1 to {HIGHEST_LEVEL}, as in `resnet32 imp at 10: '
        '92.22`, or a sparsity below 1, as in `at 0.8926`'
      )
    if not _NUMBER.fullmatch(' '.join(self.text.split())):
      raise ValueError(_advice(self.text))

  @classmethod
  def parse(cls, text: str) -> 'Published':
    """Reads a line.

    Raises:
      ValueError: showing how a line is written, or naming what it says that
        cannot be meant.
    """
    match = _NUMBER.fullmatch(' '.join(text.split()))
    if not match:
      raise ValueError(_advice(text))
    at = match[5] or '0'
    return cls(
      match[1],
      Side(*parts_of(match, 2)),
      0 if '.' in at else int(at),
      float(match[6]),
      match[7] or '',
      text,
      sparsity=float(at) if '.' in at else 0.0,
    )

  def __str__(self) -> str:
    """As it was written; `Published.parse` reads it back."""
    return self.text

  def level_in(self, fraction: float) -> int | None:
    """The level of a study that it is about; `None` if there is none.

    Args:
      fraction: of the remaining weights that each of its levels prunes.
    """
    if self.sparsity:
      return scope.level_at(self.sparsity, fraction)
    return self.level

  def _canonical(self) -> str:
    at = str(self.level) if self.level else decimal(self.sparsity)
    level = f' at {at}' if self.level or self.sparsity else ''
    where = f' ({self.where})' if self.where else ''
    accuracy = decimal(self.accuracy)
    return f'{self.target} {self.side}{level}: {accuracy}{where}'


def published(
  target: str,
  side: Side | str,
  accuracy: float,
  at: int | float = 0,
  where: str = '',
) -> Published:
  """A paper's number.

  Args:
    target: the network trained.
    side: how its ticket was made, e.g. `ett from resnet20`.
    accuracy: test accuracy in percent, or another measure in its unit.
    at: level of IMP, or a sparsity such as 0.8926; 0 for dense networks.
    where: table or figure, or the number as it is printed there.

  Raises:
    ValueError: showing how a side is written, or naming what cannot be meant.
  """
  level, sparsity = (at, 0.0) if isinstance(at, int) else (0, at)
  return Published(
    target, as_side(side), level, accuracy, where, sparsity=sparsity
  )


def _advice(text: str) -> str:
  return f'published {text!r}; write e.g. `resnet32 imp at 10: 92.22`'
