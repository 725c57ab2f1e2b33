"""Rules that make a stage deeper: `append`, `interpolate`, `overlap`."""

import dataclasses

from elth_jax.elastic.rules.step import (
  Choice,
  Stage,
  Step,
  chosen_units,
  register,
)
from elth_jax.elastic.tables import Order, overlap_table, stretch_table

MOST_UNITS = 100_000  # of a stage; a rule that makes more is a slip


@register
@dataclasses.dataclass(frozen=True)
class Append(Step):
  """Replicates units as a group, right after the last of them.

  Attributes:
    units: the units to replicate; `None` for all.
    times: how often each is there afterwards; `None` for as often as the
      target's depth asks, where growth is uneven the earlier ones once more.
  """

  units: Choice = None
  times: int | None = None
  verb = 'append'
  resizes = 'stretch'
  best = 'counted'

  def table(self, stage: Stage) -> tuple[int, ...]:
    return _replicated(self, stage, 'append')


@register
@dataclasses.dataclass(frozen=True)
class Interpolate(Step):
  """Replicates units, copies side by side; fields as for `Append`."""

  units: Choice = None
  times: int | None = None
  verb = 'interpolate'
  resizes = 'stretch'
  best = 'counted'

  def table(self, stage: Stage) -> tuple[int, ...]:
    return _replicated(self, stage, 'interpolate')


@register
@dataclasses.dataclass(frozen=True)
class Overlap(Step):
  """Depth up-scaling: a first and a last range of units, overlapping.

  References:
    Kim et al., SOLAR 10.7B: Depth Up-Scaling, 2024.
  """

  verb = 'overlap'
  resizes = 'stretch'
  says_how_far = False

  def table(self, stage: Stage) -> tuple[int, ...]:
    return overlap_table(stage.name, stage.have, stage.want, stage.fixed)


def _replicated(
  step: Append | Interpolate, stage: Stage, order: Order
) -> tuple[int, ...]:
  units = chosen_units(step, step.units, stage)
  want = stage.want
  if step.times is not None:
    chosen = stage.have - stage.fixed if units is None else len(units)
    want = stage.have + (step.times - 1) * chosen
    if want > MOST_UNITS:  # several such steps in a row grow exponentially
      raise ValueError(
        f'{stage.name}: {str(step)!r} makes {want} units; at most {MOST_UNITS}'
      )
  return stretch_table(stage.name, stage.have, want, order, units, stage.fixed)
