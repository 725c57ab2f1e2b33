"""What a paper claims and publishes, as lines of text that a study can test.

A claim: `ett > snip at 10 13 on resnet32`, or `ett[append] ~ ett[interpolate]
within 0.5`. `>` is more accurate, `~` is as accurate to so many points. A side
is a method of results.csv, perhaps with its order in brackets and its source:
`ett[append] from resnet20`. Without levels or targets, all are meant; `at
highest` is the last level at which the two were compared.

A published number: `resnet32 ett from resnet20 at 10: 91.38`, test accuracy in
percent.

In place of accuracy, `barrier_ett` is the largest drop between two trainings of
one elastic ticket, in points; `>` says that it is larger.
"""

import dataclasses
import re

SIDE = r'([a-z]\w*)(?:\[([^\]]+)\])?(?: from ([a-z][\w-]*))?'
LEVELS, TARGETS = r'(?: at ([\d ]+?|highest))?', r'(?: on ([\w\- ]+?))?'
CLAIM = re.compile(
  rf'{SIDE} ([>~]) {SIDE}(?: within (\d+(?:\.\d+)?))?{LEVELS}{TARGETS}'
)
NUMBER = re.compile(
  rf'([a-z][\w-]*) {SIDE}(?: at (\d+))?: (\d+(?:\.\d+)?)(?: \((.+)\))?'
)


@dataclasses.dataclass(frozen=True)
class Side:
  """Which trained networks are meant; an empty field stands for any.

  Attributes:
    method: as in results.csv.
    order: the rule by which a ticket was transformed.
    source: the network that it came from, or the data set.
  """

  method: str
  order: str = ''
  source: str = ''

  @property
  def way(self) -> str:
    """The method, with its order where one is meant."""
    return f'{self.method}[{self.order}]' if self.order else self.method

  def matches(self, method: str, order: str, *sources: str) -> bool:
    return (
      self.method == method
      and self.order in ('', order)
      and self.source in ('', *sources)
    )


@dataclasses.dataclass(frozen=True)
class Claim:
  """That one side is more accurate than another, or as accurate.

  Attributes:
    text: as it was written.
    one: the better side.
    other: the worse one.
    within: for equal sides, how many points they may differ by; else `None`.
    levels: of IMP; empty for all.
    targets: networks; empty for all.
    highest: only the last level at which both were trained.
  """

  text: str
  one: Side
  other: Side
  within: float | None = None
  levels: tuple[int, ...] = ()
  targets: tuple[str, ...] = ()
  highest: bool = False

  @classmethod
  def parse(cls, text: str) -> 'Claim':
    """Reads a line; `ValueError` shows how one is written."""
    match = CLAIM.fullmatch(' '.join(text.split()))
    if not match or (match[4] == '~') != (match[8] is not None):
      raise ValueError(
        f'claim {text!r}; write e.g. `ett > snip at 10 on resnet32` or '
        '`ett[append] ~ ett[interpolate] within 0.5`'
      )
    return cls(
      text,
      Side(*(part or '' for part in match.group(1, 2, 3))),
      Side(*(part or '' for part in match.group(5, 6, 7))),
      None if match[8] is None else float(match[8]),
      tuple(int(word) for word in (match[9] or '').split() if word.isdecimal()),
      tuple((match[10] or '').split()),
      match[9] == 'highest',
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
  """

  target: str
  side: Side
  level: int
  accuracy: float
  where: str = ''

  @classmethod
  def parse(cls, text: str) -> 'Published':
    """Reads a line; `ValueError` shows how one is written."""
    match = NUMBER.fullmatch(' '.join(text.split()))
    if not match or float(match[6]) > 100:
      raise ValueError(
        f'published {text!r}; write e.g. `resnet32 imp at 10: 92.22`'
      )
    side = Side(*(part or '' for part in match.group(2, 3, 4)))
    level = int(match[5] or 0)
    return cls(match[1], side, level, float(match[6]), match[7] or '')
