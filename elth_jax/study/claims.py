"""What a paper claims, as values that a study can test.

`better('ett', 'snip', at=(10, 13), on='resnet32')` is the claim whose text is
`ett > snip at 10 13 on resnet32`, and `alike('ett[append]', 'ett[interpolate]',
within=0.5)` the one of `ett[append] ~ ett[interpolate] within 0.5`. `>` is more
accurate, `~` is as accurate to so many points. A side is a method of
results.csv, perhaps with its order in brackets and its source: `ett[append]
from resnet20`. Without levels or targets, all are meant; `at highest` is the
last level at which the two were compared.

Levels are those of IMP, from 1; a dense network has none, and stands beside
every level.

In place of accuracy, `barrier_ett` is the largest drop between two trainings of
one elastic ticket, in points; `>` says that it is larger.
"""

import dataclasses
import re
from collections.abc import Sequence
from typing import Literal

from elth_jax.study.sides import (
  HIGHEST_LEVEL,
  SIDE,
  Side,
  as_side,
  decimal,
  parts_of,
)

Levels = int | Sequence[int] | Literal['highest']

_NETWORK = r'[\w\-]+'
_LEVELS, _TARGETS = r'(?: at ([\d ]+?|highest))?', r'(?: on ([\w\- ]+?))?'
_CLAIM = re.compile(
  rf'{SIDE} ([>~]) {SIDE}(?: within (\d+(?:\.\d+)?))?{_LEVELS}{_TARGETS}',
  re.ASCII,
)


@dataclasses.dataclass(frozen=True)
class Claim:
  """That one side is more accurate than another, or as accurate.

  Attributes:
    one: the better side.
    other: the worse one.
    within: for equal sides, how many points they may differ by; else `None`.
    levels: of IMP; empty for all.
    targets: networks; empty for all.
    highest: only the last level at which both were trained.
    written: the text that it was read from, which makes no difference to
      whether two claims are equal.

  Raises:
    ValueError: naming what cannot be meant.
  """

  one: Side
  other: Side
  within: float | None = None
  levels: tuple[int, ...] = ()
  targets: tuple[str, ...] = ()
  highest: bool = False
  written: dataclasses.InitVar[str] = ''
  text: str = dataclasses.field(init=False, compare=False, repr=False)

  def __post_init__(self, written: str):
    object.__setattr__(self, 'text', written or self._canonical())
    if fault := self._fault():
      raise ValueError(f'claim {self.text!r}: {fault}')

  @classmethod
  def parse(cls, text: str) -> 'Claim':
    """Reads a line.

    Raises:
      ValueError: showing how a line is written, or naming what it says that
        cannot be meant.
    """
    match = _CLAIM.fullmatch(' '.join(text.split()))
    if not match or (match[4] == '~') != (match[8] is not None):
      raise ValueError(
        f'claim {text!r}; write e.g. `ett > snip at 10 on resnet32` or '
        '`ett[append] ~ ett[interpolate] within 0.5`'
      )
    return cls(
      Side(*parts_of(match, 1)),
      Side(*parts_of(match, 5)),
      None if match[8] is None else float(match[8]),
      tuple(int(word) for word in (match[9] or '').split() if word.isdecimal()),
      tuple((match[10] or '').split()),
      match[9] == 'highest',
      text,
    )

  def __str__(self) -> str:
    """As it was written; `Claim.parse` reads it back."""
    return self.text

  def _canonical(self) -> str:
    equal = self.within is not None
    text = f'{self.one} {"~" if equal else ">"} {self.other}'
    if self.within is not None:
      text += f' within {decimal(self.within)}'
    if self.highest or self.levels:
      levels = 'highest' if self.highest else ' '.join(map(str, self.levels))
      text += f' at {levels}'
    return text + (f' on {" ".join(self.targets)}' if self.targets else '')

  def _fault(self) -> str:
    """What cannot be meant; empty if nothing."""
    if self.one == self.other:
      return 'both sides are the same'
    if self.within is not None and not 0 < self.within <= 100:
      return (
        f'within {self.within:g} points; give more than 0, at most 100, since '
        'no two trainings are equal'
      )
    if self.highest and self.levels:
      return 'give levels, or highest'
    if wrong := [n for n in self.levels if not 1 <= n <= HIGHEST_LEVEL]:
      return (
        f'at {wrong[0]}; levels are 1 to {HIGHEST_LEVEL}, and dense networks '
        'stand beside every level'
      )
    if odd := [t for t in self.targets if not re.fullmatch(_NETWORK, t)]:
      return f'target {odd[0]!r} is no name of a network'
    for what, values in (('level', self.levels), ('target', self.targets)):
      if again := [v for v in values if values.count(v) > 1]:
        return f'{what} {again[0]} is named twice'
    return ''


def better(
  one: Side | str,
  other: Side | str,
  at: Levels = (),
  on: str | Sequence[str] = (),
) -> Claim:
  """The claim that one side is more accurate than another.

  Args:
    one: the better side, e.g. `ett[append] from resnet20`.
    other: the worse one.
    at: levels of IMP; empty for all.
    on: target networks; empty for all.

  Raises:
    ValueError: showing how a side is written, or naming what cannot be meant.
  """
  return _claim(one, other, None, at, on)


def alike(
  one: Side | str,
  other: Side | str,
  within: float,
  at: Levels = (),
  on: str | Sequence[str] = (),
) -> Claim:
  """The claim that two sides differ by at most `within` points.

  Args:
    one: a side, e.g. `ett[append] from resnet20`.
    other: another one.
    within: points of test accuracy.
    at: levels of IMP; empty for all.
    on: target networks; empty for all.

  Raises:
    ValueError: showing how a side is written, or naming what cannot be meant.
  """
  return _claim(one, other, within, at, on)


def _claim(one, other, within, at: Levels, on) -> Claim:
  if isinstance(at, str) and at != 'highest':
    raise ValueError(f'at is {at!r}; give levels of IMP, or highest')
  return Claim(
    as_side(one),
    as_side(other),
    within,
    () if at == 'highest' else (at,) if isinstance(at, int) else tuple(at),
    (on,) if isinstance(on, str) else tuple(on),
    at == 'highest',
  )
