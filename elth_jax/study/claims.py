"""What a paper claims, as values that a study can test.

A claim has one text. These are the kinds of claims, with theirs:

- `better('ett', 'snip', at=0.8926, on='resnet32')`, more accurate:
  `ett > snip at 0.8926 on resnet32`. `by=2`: by more than two points.
- `no_worse('imp', 'dense', within=0.5)`, less accurate by no more than that:
  `imp >= dense within 0.5`.
- `alike('ett', 'imp', within=1)`, as accurate to so many points:
  `ett ~ imp within 1`.

A side is a method of results.csv, perhaps with its order in brackets and its
source: `ett[append] from resnet20`. The other side may be a number in points.
In place of accuracy, `barrier_ett` is the largest drop between two trainings
of one elastic ticket; `sides.MEASURES` has all such words.

A claim is about the mean over all pairs of sides, or with `everywhere` about
each target, level and source. `at=10` is a level of IMP, from 1, and
`at=0.8926` the level of that sparsity (share of zeros), if the study has one;
`above=0.5` and `below=0.5` are ranges of sparsity; `at='highest'` is the last
level at which the two were compared. Without any, all levels are meant. A
dense network stands beside every level.

`growing`: the difference itself is larger at the highest sparsity than at the
lowest. `against='resnet20'`: the difference of the two sides is compared with
their difference on that network.
"""

import dataclasses
import re
from collections.abc import Sequence
from typing import Literal

from elth_jax.study import scope
from elth_jax.study.scope import At
from elth_jax.study.sides import SIDE, Side, as_side, decimal, parts_of

Relation = Literal['>', '>=', '~']

_NETWORK = r'[\w\-]+'
_NUMBER = r'\d+(?:\.\d+)?'
_CLAIM = re.compile(
  rf'{SIDE} (?P<relation>>=|>|~) (?:(?P<number>{_NUMBER})|{SIDE})'
  rf'(?: (?P<word>within|by) (?P<points>{_NUMBER}))?'
  r'(?P<everywhere> everywhere)?(?P<growing> growing)?'
  r'(?: at (?P<at>[\d. ]+?|highest))?'
  rf'(?: above (?P<above>{_NUMBER}))?(?: below (?P<below>{_NUMBER}))?'
  rf'(?: on (?P<on>[\w\- ]+?))?(?: against (?P<against>{_NETWORK}))?'
  r'(?: \((?P<where>[^()]+)\))?',
  re.ASCII,
)


@dataclasses.dataclass(frozen=True)
class Claim:
  """That one side is more accurate than another, no worse, or as accurate.

  Attributes:
    one: the better side.
    other: the worse one, or a number in points.
    within: how many points equal sides may differ by, or a side that is no
      worse may be behind; `None` where one is to be better.
    levels: of IMP; empty for all.
    targets: networks; empty for all.
    highest: only the last level at which both were trained.
    written: the text that it was read from, which makes no difference to
      whether two claims are equal.
    no_worse: for `>=`; with `within`.
    by: for `>`: by how many points one side is better at least.
    everywhere: in each pair, and not just on average over pairs.
    growing: about the growth of the difference with sparsity.
    sparsities: shares of zeros, in place of levels.
    above: only levels of at least this sparsity; 0 for all.
    below: only levels of at most this sparsity; 1 for all.
    against: a network; the claim is about the difference of the differences
      on `targets` and there.
    where: in the paper.

  Raises:
    ValueError: naming what cannot be meant.
  """

  one: Side
  other: Side | float
  within: float | None = None
  levels: tuple[int, ...] = ()
  targets: tuple[str, ...] = ()
  highest: bool = False
  written: dataclasses.InitVar[str] = ''
  _: dataclasses.KW_ONLY
  no_worse: bool = False
  by: float = 0.0
  everywhere: bool = False
  growing: bool = False
  sparsities: tuple[float, ...] = ()
  above: float = 0.0
  below: float = 1.0
  against: str = ''
  where: str = ''
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
    if not match or not _has_its_points(match['relation'], match['word']):
      raise ValueError(
        f'claim {text!r}; write e.g. `ett > snip at 10 on resnet32`, '
        '`imp >= dense within 0.5` or '
        '`ett[append] ~ ett[interpolate] within 0.5 at 0.8926`'
      )
    points = float(match['points'] or 0)
    try:
      levels, sparsities, highest = scope.read_at(match['at'])
    except ValueError:
      raise ValueError(
        f'claim {text!r}: at {match["at"]}; give levels or sparsities'
      ) from None
    number = match['number']
    return cls(
      Side(*parts_of(match, 1)),
      Side(*parts_of(match, 6)) if number is None else float(number),
      points if match['word'] == 'within' else None,
      levels,
      tuple((match['on'] or '').split()),
      highest,
      text,
      no_worse=match['relation'] == '>=',
      by=points if match['word'] == 'by' else 0.0,
      everywhere=bool(match['everywhere']),
      growing=bool(match['growing']),
      sparsities=sparsities,
      above=float(match['above'] or 0),
      below=float(match['below'] or 1),
      against=match['against'] or '',
      where=match['where'] or '',
    )

  def __str__(self) -> str:
    """As it was written; `Claim.parse` reads it back."""
    return self.text

  @property
  def relation(self) -> Relation:
    if self.within is None:
      return '>'
    return '>=' if self.no_worse else '~'

  @property
  def short(self) -> str:
    """The text without where it stands in the paper."""
    return re.sub(r' \([^()]+\)$', '', self.text)

  def _canonical(self) -> str:
    other = self.other
    text = f'{self.one} {self.relation} '
    text += str(other) if isinstance(other, Side) else decimal(other)
    at = scope.write_at(self.levels, self.sparsities, self.highest)
    parts = {
      'within': '' if self.within is None else decimal(self.within),
      'by': decimal(self.by) if self.by else '',
      'everywhere': self.everywhere,
      'growing': self.growing,
      'at': at,
      'above': decimal(self.above) if self.above else '',
      'below': decimal(self.below) if self.below != 1 else '',
      'on': ' '.join(self.targets),
      'against': self.against,
    }
    for word, value in parts.items():
      if value:
        text += f' {word}' if value is True else f' {word} {value}'
    return text + (f' ({self.where})' if self.where else '')

  def _fault(self) -> str:
    """What cannot be meant; empty if nothing."""
    if self.one == self.other:
      return 'both sides are the same'
    if self.within is not None and not 0 < self.within <= 100:
      return (
        f'within {self.within:g} points; give more than 0, at most 100, since '
        'no two trainings are equal'
      )
    if self.no_worse and self.within is None:
      return 'no_worse needs within: by how many points it may be behind'
    if not 0 <= self.by <= 100 or (self.by and self.within is not None):
      return f'by {self.by:g} points; give 0 to 100, and not for equal sides'
    if self.highest and (self.levels or self.sparsities):
      return 'give levels, or highest'
    if self.levels and self.sparsities:
      return 'give levels, or sparsities'
    if fault := scope.fault(self.levels, self.sparsities):
      return fault
    return self._range_fault() or self._name_fault()

  def _range_fault(self) -> str:
    ranged = self.above != 0 or self.below != 1
    if not 0 <= self.above < self.below <= 1:
      return (
        f'above {self.above:g} below {self.below:g}; give sparsities from 0 '
        'to 1, the lower one first'
      )
    if ranged and (self.levels or self.sparsities):
      return 'give levels, or a range of sparsities'
    if self.growing and (self.highest or self.against):
      return 'growing compares sparsities; give a range, or none'
    return ''

  def _name_fault(self) -> str:
    names = (*self.targets, *([self.against] if self.against else []))
    if odd := [t for t in names if not re.fullmatch(_NETWORK, t)]:
      return f'target {odd[0]!r} is no name of a network'
    if self.against and not self.targets:
      return 'against needs on: the network whose difference is compared'
    listed = (
      ('level', self.levels),
      ('sparsity', self.sparsities),
      ('target', names),
    )
    for what, values in listed:
      if again := [v for v in values if list(values).count(v) > 1]:
        return f'{what} {again[0]} is named twice'
    if re.search(r'[()]', self.where) or self.where != self.where.strip():
      return f'where is {self.where!r}; give it without parentheses'
    return ''


def better(
  one: Side | str,
  other: Side | str | float,
  at: At = (),
  on: str | Sequence[str] = (),
  *,
  by: float = 0.0,
  **where: bool | float | str,
) -> Claim:
  """The claim that one side is more accurate than another.

  Args:
    one: the better side, e.g. `ett[append] from resnet20`.
    other: the worse one, or a number in points.
    at: levels of IMP or sparsities; empty for all.
    on: target networks; empty for all.
    by: how many points better, at least.
    **where: `everywhere`, `growing`, `above`, `below`, `against` and `where`
      of `Claim`.

  Raises:
    ValueError: showing how a side is written, or naming what cannot be meant.
  """
  return _claim(one, other, None, at, on, by=by, **where)


def alike(
  one: Side | str,
  other: Side | str | float,
  within: float,
  at: At = (),
  on: str | Sequence[str] = (),
  **where: bool | float | str,
) -> Claim:
  """The claim that two sides differ by at most `within` points.

  Args:
    one: a side, e.g. `ett[append] from resnet20`.
    other: another one, or a number in points.
    within: points of test accuracy.
    at: levels of IMP or sparsities; empty for all.
    on: target networks; empty for all.
    **where: as of `better`.

  Raises:
    ValueError: showing how a side is written, or naming what cannot be meant.
  """
  return _claim(one, other, within, at, on, **where)


def no_worse(
  one: Side | str,
  other: Side | str | float,
  within: float,
  at: At = (),
  on: str | Sequence[str] = (),
  **where: bool | float | str,
) -> Claim:
  """The claim that one side is behind another by at most `within` points.

  Args:
    one: the side that may be behind, or before.
    other: another one, or a number in points.
    within: points of test accuracy.
    at: levels of IMP or sparsities; empty for all.
    on: target networks; empty for all.
    **where: as of `better`.

  Raises:
    ValueError: showing how a side is written, or naming what cannot be meant.
  """
  return _claim(one, other, within, at, on, no_worse=True, **where)


def _claim(one, other, within, at: At, on, **more) -> Claim:
  levels, sparsities, highest = scope.split(at)
  return Claim(
    as_side(one),
    other if isinstance(other, int | float) else as_side(other),
    within,
    levels,
    (on,) if isinstance(on, str) else tuple(on),
    highest,
    sparsities=sparsities,
    **more,
  )


def claim_ids(where: str) -> tuple[int, ...]:
  """The numbers of `experiments/claims.csv` that `where` names.

  Args:
    where: of a claim, as in `claims 10 11`.
  """
  match = re.fullmatch(r'claims? ([\d ]+)', where)
  return tuple(map(int, match[1].split())) if match else ()


def _has_its_points(relation: str, word: str | None) -> bool:
  """Whether the points given, if any, are those that a relation has."""
  return word in (None, 'by') if relation == '>' else word == 'within'
