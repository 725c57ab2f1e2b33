"""What a paper publishes, as values that a study's results stand beside.

`published('resnet32', 'ett from resnet20', 91.38, at=10)` is the number whose
text is `resnet32 ett from resnet20 at 10: 91.38`: test accuracy in percent.
"""

import dataclasses
import re

from elth_jax.study.sides import (
  HIGHEST_LEVEL,
  SIDE,
  Side,
  as_side,
  decimal,
  parts_of,
)

_NUMBER = re.compile(
  rf'([a-z][\w-]*) {SIDE}(?: at (\d+))?: (\d+(?:\.\d+)?)(?: \((.+)\))?',
  re.ASCII,
)


@dataclasses.dataclass(frozen=True)
class Published:
  """One number of a paper.

  Attributes:
    target: the network trained.
    side: how its ticket was made.
    level: of IMP; 0 for dense networks.
    accuracy: test accuracy in percent.
    where: table or figure, if it is said.
    written: the text that it was read from, which makes no difference to
      whether two numbers are equal.

  Raises:
    ValueError: naming what cannot be meant.
  """

  target: str
  side: Side
  level: int
  accuracy: float
  where: str = ''
  written: dataclasses.InitVar[str] = ''
  text: str = dataclasses.field(init=False, compare=False, repr=False)

  def __post_init__(self, written: str):
    object.__setattr__(self, 'text', written or self._canonical())
    if not 0 <= self.accuracy <= 100:
      bound = 'more than 100%' if self.accuracy > 100 else 'no share of 100%'
      raise ValueError(
        f'published {self.text!r}: {decimal(self.accuracy)} is {bound}'
      )
    dense = self.side.method == 'dense'
    if dense != (self.level == 0) or not 0 <= self.level <= HIGHEST_LEVEL:
      raise ValueError(
        f'published {self.text!r}: dense networks have no level, and all '
        f'others one of 1 to {HIGHEST_LEVEL}, as in `resnet32 imp at 10: 92.22`'
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
    return cls(
      match[1],
      Side(*parts_of(match, 2)),
      int(match[5] or 0),
      float(match[6]),
      match[7] or '',
      text,
    )

  def __str__(self) -> str:
    """As it was written; `Published.parse` reads it back."""
    return self.text

  def _canonical(self) -> str:
    level = f' at {self.level}' if self.level else ''
    where = f' ({self.where})' if self.where else ''
    accuracy = decimal(self.accuracy)
    return f'{self.target} {self.side}{level}: {accuracy}{where}'


def published(
  target: str,
  side: Side | str,
  accuracy: float,
  at: int = 0,
  where: str = '',
) -> Published:
  """A paper's number.

  Args:
    target: the network trained.
    side: how its ticket was made, e.g. `ett from resnet20`.
    accuracy: test accuracy in percent.
    at: level of IMP; 0 for dense networks.
    where: table or figure, or the number as it is printed there.

  Raises:
    ValueError: showing how a side is written, or naming what cannot be meant.
  """
  return Published(target, as_side(side), at, accuracy, where)


def _advice(text: str) -> str:
  return f'published {text!r}; write e.g. `resnet32 imp at 10: 92.22`'
