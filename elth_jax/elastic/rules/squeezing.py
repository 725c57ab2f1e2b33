"""Rules that make a stage shallower: `squeeze`, `keep`, `drop`."""

import dataclasses

from elth_jax.elastic.rules.best import Best
from elth_jax.elastic.rules.step import (
  Choice,
  Stage,
  Step,
  chosen_units,
  register,
)
from elth_jax.elastic.tables import squeeze_table


@register
@dataclasses.dataclass(frozen=True)
class Squeeze(Step):
  """Keeps the earliest units, as many as the target has."""

  verb = 'squeeze'
  resizes = 'squeeze'
  says_how_far = False

  def table(self, stage: Stage) -> tuple[int, ...]:
    return squeeze_table(
      stage.name, stage.have, stage.want, None, None, stage.fixed
    )


@register
@dataclasses.dataclass(frozen=True)
class Keep(Step):
  """Keeps some units.

  Attributes:
    units: the units to keep; `None` for the earliest.
  """

  units: Choice = None
  verb = 'keep'
  resizes = 'squeeze'
  best = 'any'

  @property
  def says_how_far(self) -> bool:
    units = self.units
    return units.count is not None if isinstance(units, Best) else bool(units)

  def table(self, stage: Stage) -> tuple[int, ...]:
    units, want = chosen_units(self, self.units, stage), stage.want
    if units is not None and not stage.last:
      want = stage.fixed + len(units)
    return squeeze_table(stage.name, stage.have, want, units, None, stage.fixed)


@register
@dataclasses.dataclass(frozen=True)
class Drop(Step):
  """Drops some units.

  Attributes:
    units: the units to drop.
  """

  units: tuple[int, ...] | Best
  verb = 'drop'
  resizes = 'squeeze'
  best = 'counted'

  def table(self, stage: Stage) -> tuple[int, ...]:
    units = chosen_units(self, self.units, stage) or ()
    want = stage.want if stage.last else stage.have - len(units)
    return squeeze_table(stage.name, stage.have, want, None, units, stage.fixed)
