"""Plans between two networks of a family, by rules and as published."""

from elth_jax.elastic.plan import Plan
from elth_jax.elastic.rules import (
  Append,
  Interpolate,
  Rule,
  Scores,
  Squeeze,
  as_rule,
)
from elth_jax.families.architecture import Architecture

PLAIN_STRETCHES = (Rule.of(Append()), Rule.of(Interpolate()))


def plan_between(
  source: Architecture,
  target: Architecture,
  rule: str | Rule = 'append',
  scores: Scores | None = None,
) -> Plan:
  """The plan that takes one network to another's depth, by a rule.

  Args:
    source: the network that the ticket was found in.
    target: another of its family.
    rule: a value, or its text; see `elastic.rules`. `append` and
      `interpolate` squeeze where the target is shallower. Tables
      (`0:0;1:1,2`) may be written as the family's authors do; see
      `Family.plan_syntax`.
    scores: what `best ... by` in a rule may name.

  Raises:
    ValueError: naming both networks, if the rule does not lead there.
  """
  source.with_name(target.name)  # refuses another family
  family, have, want = source.family, source.depths, target.depths
  fixed = family.layout.fixed_by_stage(have)
  try:
    if different := have.keys() ^ want.keys():
      raise ValueError(f'only one of them has {", ".join(sorted(different))}')
    shallower = all(want[stage] <= have[stage] for stage in have)
    asked = as_rule(rule)
    if asked in PLAIN_STRETCHES and shallower and want != have:
      asked = Rule.of(Squeeze())
    if asked.tables:
      return family.plan_syntax.read(asked, have, want)
    return asked.plan(have, want, fixed, scores)
  except ValueError as error:
    raise ValueError(f'{source.name} to {target.name}: {error}') from None


def published_plan(
  source: Architecture, target: Architecture, plan: Plan
) -> str:
  """A plan between two networks as the authors' code takes it.

  `plan_between(source, target, text)` reads it back. `str(plan)` writes units
  as they are numbered here, for any family.

  Raises:
    ValueError: naming both networks, if the plan does not lead from one to the
      other, or the family's published syntax cannot write it.
  """
  source.with_name(target.name)  # refuses another family
  try:
    if plan.depths != target.depths:
      raise ValueError(
        f'the plan makes depths {plan.depths}, not {target.depths}'
      )
    return source.family.plan_syntax.write(plan, source.depths)
  except ValueError as error:
    raise ValueError(f'{source.name} to {target.name}: {error}') from None
