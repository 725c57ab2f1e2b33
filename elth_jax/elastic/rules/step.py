"""One step of a rule, and the registry of what a step may be."""

import abc
import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal

from elth_jax.elastic.rules.best import Best, best_units
from elth_jax.elastic.tables import whole_numbers
from elth_jax.registry import Registry

_set = object.__setattr__  # of frozen dataclasses, as they are made
# the units that a step is about; `None` for all, or for the usual ones
Choice = tuple[int, ...] | Best | None

LARGEST_UNIT = 999_999
MOST_TIMES = 999


@dataclasses.dataclass(frozen=True)
class Stage:
  """One stage, as a step of a rule finds it.

  Attributes:
    name: for errors.
    have: how many units there are before the step.
    want: how many the target has.
    fixed: units at the start that stay where they are; at most `have`.
    last: whether this is the rule's last step.
    scores: kind -> a score for each unit there is, the best being the largest.
  """

  name: str
  have: int
  want: int
  fixed: int = 1
  last: bool = True
  scores: Mapping[str, Sequence[float]] = dataclasses.field(
    default_factory=dict
  )


@dataclasses.dataclass(frozen=True)
class Step(abc.ABC):
  """One step of a rule. Each kind is a frozen dataclass with `@register`.

  A step that takes units has a field `units`, with no default if they must be
  named; one that may be repeated has a field `times`. Its docstring says what
  it does.

  Attributes:
    verb: the word that a rule's text starts it with.
    resizes: whether it makes a stage deeper or shallower; empty for neither.
      A last step that resizes leaves a stage alone that has its depth already.
    best: whether units may be chosen by score: `never`, `counted` if the text
      must say how many, `any` if the target's depth can.

  Raises:
    ValueError: if units or times are missing or cannot be.
  """

  verb: ClassVar[str]
  resizes: ClassVar[Literal['', 'stretch', 'squeeze']] = ''
  best: ClassVar[Literal['never', 'counted', 'any']] = 'never'

  def __post_init__(self):
    units, times = self.options().values()
    if isinstance(units, Best):
      self._check_best(units)
    elif units is not None:
      numbers = _checked_units(self.verb, units)
      _set(self, 'units', numbers)
    elif self.takes().get('units') is dataclasses.MISSING:
      raise ValueError(f'{self.verb!r} must name units')
    if times is not None and not 1 <= times <= MOST_TIMES:
      raise ValueError(f'{self}: x takes a number of 1 to {MOST_TIMES}')

  @classmethod
  def takes(cls) -> dict[str, Any]:
    """The fields of the step with their defaults, `MISSING` for none."""
    return {field.name: field.default for field in dataclasses.fields(cls)}

  def options(self) -> dict[str, Any]:
    """The fields `units` and `times`; `None` where a step lacks them."""
    return {name: getattr(self, name, None) for name in ('units', 'times')}

  @property
  def says_how_far(self) -> bool:
    """Whether it makes as many units whatever the target's depth is.

    After a step that does not, none may follow that resizes. A step of your
    own that asks `stage.want` says False.
    """
    return 'times' not in self.takes() or self.options()['times'] is not None

  @abc.abstractmethod
  def table(self, stage: Stage) -> tuple[int, ...]:
    """The table of the step: target unit t copies source unit `table[t]`.

    Raises:
      ValueError: naming the stage, if there is no such table.
    """

  def __str__(self) -> str:
    """The step as text, as in `append best 2 by density x2`."""
    units, times = self.options().values()
    chosen = (
      units if isinstance(units, Best | None) else ' '.join(map(str, units))
    )
    words = [self.verb, chosen, None if times is None else f'x{times}']
    return ' '.join(str(word) for word in words if word is not None)

  def _check_best(self, best: Best) -> None:
    if self.best == 'never':
      raise ValueError(f'{str(self)!r}: name the units, as in {self.verb} 1 2')
    if best.count is None and self.best == 'counted':
      raise ValueError(f'{str(self)!r}: say how many, as in best 2 by')


RULES: Registry[type[Step]] = Registry('rule')


def register(step: type[Step]) -> type[Step]:
  """Makes a kind of step known by its verb; a decorator of its class.

  Raises:
    ValueError: if the verb is taken, or is not lower-case letters and
      underscores.
  """
  if not re.fullmatch(r'[a-z][a-z_]*', step.verb):
    raise ValueError(
      f'rule {step.verb!r}: use lower-case letters and underscores'
    )
  return RULES.register(step.verb, step)


def chosen_units(
  step: Step, units: Choice, stage: Stage
) -> tuple[int, ...] | None:
  """The units that a step is about in one stage; `None` for all.

  Raises:
    ValueError: naming the stage and the step, if a score is not there, or
      there are fewer units.
  """
  if not isinstance(units, Best):
    return units
  if units.by not in stage.scores:
    raise ValueError(
      f'{stage.name}: {str(step)!r} needs the score {units.by!r}; given are '
      f'{sorted(stage.scores) or "none; scores are those of a ticket"}'
    )
  count = units.count
  if count is None:
    count = max(stage.want - stage.fixed, 0)
  try:
    return best_units(stage.scores[units.by], count, stage.fixed)
  except ValueError as error:
    raise ValueError(f'{stage.name}: {str(step)!r}: {error}') from None


def _checked_units(verb: str, units: Iterable[int]) -> tuple[int, ...]:
  numbers = tuple(whole_numbers(units, f'{verb}: units'))
  if not numbers:
    raise ValueError(f'{verb!r} must name units')
  if wrong := [n for n in numbers if not 0 <= n <= LARGEST_UNIT]:
    raise ValueError(f'{verb}: unit {wrong[0]}; units are 0 to {LARGEST_UNIT}')
  return numbers
