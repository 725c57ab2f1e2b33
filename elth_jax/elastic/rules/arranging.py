"""Rules that name every unit of the result: `reorder`, `units`."""

import dataclasses

from elth_jax.elastic.rules.step import Stage, Step, register
from elth_jax.elastic.tables import reorder_table


@register
@dataclasses.dataclass(frozen=True)
class Reorder(Step):
  """Puts the units beyond the fixed into another order.

  Attributes:
    units: each of them once.
  """

  units: tuple[int, ...]
  verb = 'reorder'

  def table(self, stage: Stage) -> tuple[int, ...]:
    return reorder_table(stage.name, stage.have, self.units, stage.fixed)


@register
@dataclasses.dataclass(frozen=True)
class Units(Step):
  """Names the source unit of each target unit, one by one.

  Attributes:
    units: for each target unit beyond the fixed, the one that it copies.
  """

  units: tuple[int, ...]
  verb = 'units'

  def table(self, stage: Stage) -> tuple[int, ...]:
    movable = range(stage.fixed, stage.have)
    if wrong := [unit for unit in self.units if unit not in movable]:
      raise ValueError(
        f'{stage.name}: {str(self)!r} names {wrong}, of {stage.have} units'
      )
    return (*range(stage.fixed), *self.units)
