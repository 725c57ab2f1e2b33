"""How the authors' code writes plans, which differs by family."""

import dataclasses
from collections.abc import Mapping

from elth_jax.elastic.plan import Plan
from elth_jax.elastic.rules import Rule, Table
from elth_jax.elastic.table_text import entries_of


@dataclasses.dataclass(frozen=True)
class PlanSyntax:
  """What the numbers in `src:dst[,dst...];...` mean for a family.

  Attributes:
    stage: the only stage that a plan speaks of, the others staying as they
      are; empty where it speaks of all, separated by `|` if they differ.
    step: by how much the numbers of neighbouring units differ: 2 where the
      ReLU behind each linear layer has a number too.
    trailing: how many layers behind the last stage are counted as units (an
      MLP's narrow layer); a table may leave them out.
  """

  stage: str = ''
  step: int = 1
  trailing: int = 0

  def read(
    self, rule: Rule, have: Mapping[str, int], want: Mapping[str, int]
  ) -> Plan:
    """The plan that tables write; those of `str(plan)` suit any family.

    Args:
      rule: one table, or one for each stage.
      have: units in each stage of the source.
      want: units in each stage of the target.

    Raises:
      ValueError: naming the stage, if a table is not complete, copies units
        that the source lacks, or does not lead to the target's depths.
    """
    if self._speaks_of_one_stage(rule, have):
      table = rule.tables[0].renumbered(lambda number: number // self.step)
      plan = Plan({**_unchanged(have), self.stage: table.complete(self.stage)})
    else:
      plan = rule.published_plan(list(have))
      plan = self._without_trailing(plan, have, want)
    rule.check_depths(plan, want)
    plan.check(have)
    return plan

  def write(self, plan: Plan, have: Mapping[str, int]) -> str:
    """A plan as the authors would write it; `read` reads it back.

    Args:
      plan: between two networks of the family.
      have: units in each stage of the source.

    Raises:
      ValueError: if the plan does not fit the source, or changes a stage that
        the published syntax does not speak of.
    """
    plan.check(have)
    if self.stage not in plan.tables:
      return str(self._with_trailing(plan, have))
    for stage, table in plan.tables.items():
      if stage != self.stage and table != tuple(range(have[stage])):
        raise ValueError(
          f'{stage} changes, but the published syntax speaks of {self.stage} '
          'alone; str(plan) writes any plan'
        )
    table = Table(entries_of(plan.tables[self.stage]))
    return str(table.renumbered(lambda number: number * self.step))

  def _speaks_of_one_stage(self, rule: Rule, have: Mapping[str, int]) -> bool:
    return (
      self.stage in have
      and len(rule.tables) == 1
      and all(number % self.step == 0 for number in rule.tables[0].numbers)
    )

  def _without_trailing(self, plan: Plan, have, want) -> Plan:
    """Without the layers that the table counts behind the last stage."""
    last = list(have)[-1]
    table = plan.tables[last]
    behind = tuple(range(have[last], have[last] + self.trailing))
    counted = len(table) == want[last] + self.trailing
    if not behind or not counted or table[-self.trailing :] != behind:
      return plan
    return Plan({**plan.tables, last: table[: -self.trailing]})

  def _with_trailing(self, plan: Plan, have) -> Plan:
    last = list(plan.tables)[-1]
    behind = range(have[last], have[last] + self.trailing)
    return Plan({**plan.tables, last: (*plan.tables[last], *behind)})


def _unchanged(have: Mapping[str, int]) -> dict[str, tuple[int, ...]]:
  return {stage: tuple(range(depth)) for stage, depth in have.items()}
