"""A rule: steps for all stages, or for each; and the plan that it makes."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TypeVar

from elth_jax.elastic.plan import Fixed, Plan
from elth_jax.elastic.rules.best import Best, Scores
from elth_jax.elastic.rules.parsing import read_step
from elth_jax.elastic.rules.step import Stage, Step
from elth_jax.elastic.rules.table import Table

Value = TypeVar('Value')


@dataclasses.dataclass(frozen=True)
class Rule:
  """How source units fill a target of given depths, in every stage.

  `Rule.of(Interpolate(times=2), Append())` is `interpolate x2, append`, and
  `Rule.by_stage(Rule.of(Append()), Rule.of(Keep((2,))))` is
  `append | keep 2`.

  Attributes:
    parts: steps that follow each other, or a table in the published syntax;
      one part for all stages, or one for each.
    written: the text that it was read from; how a rule is written makes no
      difference to whether two are equal.

  Raises:
    ValueError: if there is no step, a step does not say how far it goes
      though one that resizes follows, or some parts are tables and others
      are not.
  """

  parts: tuple[tuple[Step, ...] | Table, ...]
  written: dataclasses.InitVar[str] = ''
  text: str = dataclasses.field(init=False, compare=False, repr=False)

  def __post_init__(self, written: str):
    if not self.parts or () in self.parts:
      raise ValueError('a rule has at least one step for each stage')
    if 0 < len(self.tables) < len(self.parts):
      raise ValueError(
        f'{_text(self.parts)!r}: all stages have tables, or none'
      )
    for part in self._steps():
      for number, step in enumerate(part, 1):
        later = any(other.resizes for other in part[number:])
        if later and not step.says_how_far:
          raise ValueError(
            f'{str(step)!r} goes to the depth of the target, and a step that '
            'resizes follows; say how far, as in append x2 or keep 1, or put '
            'it last'
          )
    object.__setattr__(self, 'text', written or _text(self.parts))

  @classmethod
  def of(cls, *steps: Step) -> 'Rule':
    """A rule of steps that follow each other, in all stages."""
    return cls((steps,))

  @classmethod
  def by_stage(cls, *rules: 'Rule') -> 'Rule':
    """A rule for each stage, in the order of stages."""
    return cls(tuple(part for rule in rules for part in rule.parts))

  @classmethod
  def parse(cls, text: str) -> 'Rule':
    """Reads a rule; the package's docstring shows how one is written.

    Raises:
      ValueError: naming the step that cannot be read.
    """
    read = Table.parse if ':' in text else _read_steps
    return cls(tuple(map(read, text.split('|'))), text)

  def __str__(self) -> str:
    """As it was written; `Rule.parse` reads it back."""
    return self.text

  @property
  def tables(self) -> tuple[Table, ...]:
    """The parts, if they are tables in the published syntax; else empty."""
    return tuple(part for part in self.parts if isinstance(part, Table))

  @property
  def scores(self) -> frozenset[str]:
    """The kinds of scores by which the rule chooses units."""
    chosen = [
      step.options()['units'] for part in self._steps() for step in part
    ]
    return frozenset(units.by for units in chosen if isinstance(units, Best))

  @property
  def resizes(self) -> str:
    """`stretch`, `squeeze` or `both`, by all its steps; empty for neither."""
    kinds = {step.resizes for part in self._steps() for step in part} - {''}
    return 'both' if len(kinds) == 2 else ''.join(kinds)

  def plan(
    self,
    have: Mapping[str, int],
    want: Mapping[str, int],
    fixed: Fixed = 1,
    scores: Scores | None = None,
  ) -> Plan:
    """The plan for these depths.

    Args:
      have: units in each stage of the source.
      want: units in each stage of the target.
      fixed: units at the start of a stage that stay; see `Layout.fixed`.
      scores: what `best ... by` may name, e.g. from `sparsity.unit_scores`.

    Raises:
      ValueError: naming the stage, if the rule does not lead to the target's
        depths.
    """
    if different := have.keys() ^ want.keys():
      raise ValueError(f'stages {sorted(different)} are not in both networks')
    if self.tables:
      plan = self.published_plan(list(have))
      plan.check(have)
      self.check_depths(plan, want)
      return plan
    tables = {}
    for name, part in self._for_each(list(have), self._steps()).items():
      stays = fixed.get(name, 1) if isinstance(fixed, Mapping) else fixed
      mine = {kind: by_stage[name] for kind, by_stage in (scores or {}).items()}
      stage = Stage(name, have[name], want[name], stays, scores=mine)
      tables[name] = _table(part, stage)
    return Plan(tables)

  def published_plan(self, stages: Sequence[str]) -> Plan:
    """The plan of a rule of tables, units numbered as they are here.

    Raises:
      ValueError: naming the stage, if a table is not complete.
    """
    parts = self._for_each(stages, self.tables)
    return Plan({name: table.complete(name) for name, table in parts.items()})

  def check_depths(self, plan: Plan, want: Mapping[str, int]) -> None:
    """`ValueError` unless a plan that the rule makes has these depths."""
    if plan.depths != dict(want):
      raise ValueError(
        f'{self.text!r} makes depths {plan.depths}, not {dict(want)}'
      )

  def _steps(self) -> tuple[tuple[Step, ...], ...]:
    return tuple(part for part in self.parts if not isinstance(part, Table))

  def _for_each(
    self, stages: Sequence[str], parts: Sequence[Value]
  ) -> dict[str, Value]:
    """The part for each stage."""
    if len(parts) == 1:
      parts = [*parts] * len(stages)
    if len(parts) != len(stages):
      raise ValueError(
        f'{self.text!r} has {len(parts)} parts for {len(stages)} stages'
      )
    return dict(zip(stages, parts, strict=True))


def _text(parts: Sequence[tuple[Step, ...] | Table]) -> str:
  if all(isinstance(part, Table) for part in parts):
    return '|'.join(map(str, parts))
  return ' | '.join(
    str(part) if isinstance(part, Table) else ', '.join(map(str, part))
    for part in parts
  )


def _read_steps(text: str) -> tuple[Step, ...]:
  return tuple(map(read_step, text.split(',')))


def _table(steps: Sequence[Step], stage: Stage) -> tuple[int, ...]:
  """The table of one stage, its steps composed."""
  table = tuple(range(stage.have))
  for number, step in enumerate(steps, 1):
    here = dataclasses.replace(
      stage,
      have=len(table),
      fixed=min(stage.fixed, len(table)),
      last=number == len(steps),
      scores={k: [s[unit] for unit in table] for k, s in stage.scores.items()},
    )
    try:
      table = tuple(table[unit] for unit in _step_table(step, here))
    except ValueError as error:
      if number == 1:
        raise
      before = _text([tuple(steps[: number - 1])])
      raise ValueError(
        f'{error} ({before!r} makes {len(table)} units of {stage.have})'
      ) from error
  if len(table) != stage.want:
    raise ValueError(
      f'{stage.name}: {_text([tuple(steps)])!r} makes {len(table)} units, not '
      f'{stage.want}'
    )
  return table


def _step_table(step: Step, stage: Stage) -> tuple[int, ...]:
  free = step.resizes and step.options()['times'] is None
  if stage.last and free and stage.want == stage.have:
    return tuple(range(stage.have))
  return step.table(stage)
