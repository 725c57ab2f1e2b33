"""The step to another depth: an Elastic Ticket Transformation."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from elth_jax.elastic.plan import Plan
from elth_jax.elastic.rules import Rule, Scores, Squeeze
from elth_jax.families import Architecture, plan_between, pretty
from elth_jax.names import unknown
from elth_jax.tickets.explanation import explain
from elth_jax.tickets.ticket import Ticket
from elth_jax.tickets.transform import plan_for, plan_of
from elth_jax.transfers.step import Place, Step, register

if TYPE_CHECKING:
  from matplotlib.figure import Figure

SQUEEZED = Rule.of(Squeeze())
SCORES = frozenset({'density', 'magnitude'})  # of `sparsity.unit_scores`
UNCHANGED = str(SQUEEZED)  # by nothing


@register
@dataclasses.dataclass(frozen=True)
class Depth(Step):
  """Another depth, by a rule for units.

  Attributes:
    network: name of the network wanted.
    rule: for units; `None` where no depth changes.
    plan: which unit copies which, once the ticket decided that.

  References:
    Chen et al. 2021, section 3.
  """

  kind: ClassVar[str] = 'depth'
  order: ClassVar[int] = 50

  network: str
  rule: Rule | None = None
  plan: Plan | None = None

  @classmethod
  def read(cls, text: str) -> Rule:
    rule = Rule.parse(text)
    if strange := sorted(rule.scores - SCORES):
      reason = unknown('score', strange[0], sorted(SCORES))
      raise ValueError(f'{text!r}: {reason}')
    return rule

  @classmethod
  def between(
    cls, source: Place, target: Place, rules: Sequence[Rule]
  ) -> list[Step]:
    """One step for each rule that leads there; one where depths are equal.

    Rules that stretch are for deeper targets and rules that squeeze for
    shallower ones, which are squeezed plainly if no such rule is given. A rule
    that does both is for those to which it leads.
    """
    have, want = source.network.depths, target.network.depths
    name = target.network.name
    if have == want:
      return [cls(name)]
    shrinks = any(want.get(stage, 0) < n for stage, n in have.items())
    refused = 'stretch' if shrinks else 'squeeze'
    fitting = [
      rule
      for rule in rules
      if rule.resizes != refused
      and (rule.resizes != 'both' or _leads(source, target, rule))
    ]
    if shrinks and not fitting:
      return [cls(name, SQUEEZED)]
    if not fitting:
      given = f'none of {[*map(str, rules)]}' if rules else 'no rule for units'
      raise ValueError(
        f'orders: {given} leads from {source.network.name} to {name}; add one, '
        'such as append'
      )
    return [cls(name, rule) for rule in fitting]

  @property
  def label(self) -> str:
    return str(self.rule) if self.rule else ''

  def predict(self, network: Architecture) -> Architecture:
    return network.with_name(self.network)

  def check(self, network: Architecture) -> None:
    if self.plan is not None:
      self.plan.check(network.depths)
    else:  # which units are best is known when the ticket is; any will do here
      scores = _equal_scores(network)
      plan_between(network, self.predict(network), self._rule, scores)

  def settled(self, ticket: Ticket) -> Step:
    return dataclasses.replace(self, plan=self._plan(ticket))

  def apply(self, ticket: Ticket, seed: int) -> Ticket:
    return ticket.transform(self.network, plan=self._plan(ticket))

  def explain(self, network: Architecture) -> str:
    if not self.rule:
      return f'depth of {network.name}: every unit stays'
    if self.plan is None and self.rule.scores:
      return (
        f'{network.name} -> {self.network}: {self.rule} (known when the ticket '
        'is)'
      )
    rule = self._rule if self.plan is None else None
    return str(explain(network, self.network, rule, plan=self.plan))

  def figure(
    self, network: Architecture, ticket: Ticket
  ) -> 'tuple[Figure, str]':
    from elth_jax.tickets.drawing import transformation  # loads matplotlib

    plan = self.plan or plan_of(ticket)
    caption = (
      f'{pretty(network.name)} to {pretty(self.network)}, {self._rule}: '
      'the target unit copies the source unit of its number; grey, the first '
      f'unit of a stage, always kept; dashed, a replica. Plan: {plan}'
    )
    drawn = transformation(network.name, self.network, plan, network.depths)
    return drawn, caption

  @property
  def _rule(self) -> Rule:
    return self.rule or SQUEEZED

  def _plan(self, ticket: Ticket) -> Plan:
    return self.plan or plan_for(ticket, self.network, self._rule)


def _leads(source: Place, target: Place, rule: Rule) -> bool:
  scores = _equal_scores(source.network)
  try:
    plan_between(source.network, target.network, rule, scores)
  except ValueError:
    return False
  return True


def _equal_scores(network: Architecture) -> Scores:
  by_stage = {stage: [0.0] * units for stage, units in network.depths.items()}
  return dict.fromkeys(SCORES, by_stage)
