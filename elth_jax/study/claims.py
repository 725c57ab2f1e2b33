"""What a paper claims and publishes, as lines of text that a study can test.

A claim: `ett > snip at 10 13 on resnet32`, or `ett[append] ~ ett[interpolate]
within 0.5`. `>` is more accurate, `~` is as accurate to so many points. A side
is a method of results.csv, perhaps with its order in brackets and its source:
`ett[append] from resnet20`. Without levels or targets, all are meant; `at
highest` is the last level at which the two were compared.

A published number: `resnet32 ett from resnet20 at 10: 91.38`, test accuracy in
percent.

Levels are those of IMP, from 1; a dense network has none, and stands beside
every level.

In place of accuracy, `barrier_ett` is the largest drop between two trainings of
one elastic ticket, in points; `>` says that it is larger.
"""

import dataclasses
import re

SIDE = r'([a-z]\w*)(?:\[([^\]]+)\])?(?: from ([a-z][\w-]*))?'
LEVELS, TARGETS = r'(?: at ([\d ]+?|highest))?', r'(?: on ([\w\- ]+?))?'
CLAIM = re.compile(
  rf'{SIDE} ([>~]) {SIDE}(?: within (\d+(?:\.\d+)?))?{LEVELS}{TARGETS}',
  re.ASCII,
)
NUMBER = re.compile(
  rf'([a-z][\w-]*) {SIDE}(?: at (\d+))?: (\d+(?:\.\d+)?)(?: \((.+)\))?',
  re.ASCII,
)
HIGHEST_LEVEL = 1000  # a higher one is a slip


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
    """Reads a line.

    Raises:
      ValueError: showing how a line is written, or naming what it says that
        cannot be meant.
    """
    match = CLAIM.fullmatch(' '.join(text.split()))
    if not match or (match[4] == '~') != (match[8] is not None):
      raise ValueError(
        f'claim {text!r}; write e.g. `ett > snip at 10 on resnet32` or '
        '`ett[append] ~ ett[interpolate] within 0.5`'
      )
    claim = cls(
      text,
      Side(*(part or '' for part in match.group(1, 2, 3))),
      Side(*(part or '' for part in match.group(5, 6, 7))),
      None if match[8] is None else float(match[8]),
      tuple(int(word) for word in (match[9] or '').split() if word.isdecimal()),
      tuple((match[10] or '').split()),
      match[9] == 'highest',
    )
    if fault := claim._fault():
      raise ValueError(f'claim {text!r}: {fault}')
    return claim

  def _fault(self) -> str:
    """What cannot be meant; empty if nothing."""
    if self.one == self.other:
      return 'both sides are the same'
    if self.within is not None and not 0 < self.within <= 100:
      return (
        f'within {self.within:g} points; give more than 0, at most 100, since '
        'no two trainings are equal'
      )
    if wrong := [n for n in self.levels if not 1 <= n <= HIGHEST_LEVEL]:
      return (
        f'at {wrong[0]}; levels are 1 to {HIGHEST_LEVEL}, and dense networks '
        'stand beside every level'
      )
    for what, values in (('level', self.levels), ('target', self.targets)):
      if again := [v for v in values if values.count(v) > 1]:
        return f'{what} {again[0]} is named twice'
    return ''


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
    """Reads a line.

    Raises:
      ValueError: showing how a line is written, or naming what it says that
        cannot be meant.
    """
    match = NUMBER.fullmatch(' '.join(text.split()))
    if not match:
      raise ValueError(
        f'published {text!r}; write e.g. `resnet32 imp at 10: 92.22`'
      )
    if float(match[6]) > 100:
      raise ValueError(f'published {text!r}: {match[6]} is more than 100%')
    side = Side(*(part or '' for part in match.group(2, 3, 4)))
    level = int(match[5] or 0)
    if (side.method == 'dense') != (level == 0) or level > HIGHEST_LEVEL:
      raise ValueError(
        f'published {text!r}: dense networks have no level, and all others one '
        f'of 1 to {HIGHEST_LEVEL}, as in `resnet32 imp at 10: 92.22`'
      )
    return cls(match[1], side, level, float(match[6]), match[7] or '')
