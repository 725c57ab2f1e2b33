"""Transfers: lists of steps that take a ticket from one place to another."""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from elth_jax.elastic.plan import Plan
from elth_jax.families import Architecture
from elth_jax.names import slug
from elth_jax.tickets.ticket import Ticket
from elth_jax.transfers.depth import UNCHANGED, Depth
from elth_jax.transfers.step import Place, Step, kinds, read_rule


@dataclasses.dataclass(frozen=True)
class Transfer:
  """The steps from a source to a target; none for a ticket of the target.

  Attributes:
    steps: in the order in which they are taken.
  """

  steps: tuple[Step, ...] = ()

  @property
  def label(self) -> str:
    """The rules, as results name them: that for units first."""
    texts = [step.label for step in reversed(self.steps) if step.label]
    return ', '.join(texts) or UNCHANGED * bool(self.steps)

  @property
  def adds_dense_leaves(self) -> bool:
    """Whether its tickets have fewer masked leaves than others."""
    return any(step.adds_dense_leaves for step in self.steps)

  def predict(self, network: Architecture) -> Architecture:
    """The network that a ticket of `network` is for in the end."""
    for step in self.steps:
      network = step.predict(network)
    return network

  def check(self, source: Architecture, target: Architecture) -> None:
    """Checks every step, and that they lead to the target.

    Raises:
      ValueError: naming the network and the step at fault.
    """
    for step, before in self.walk(source):
      step.check(before)
    if (found := self.predict(source)) != target:
      raise ValueError(
        f'no steps lead from {source} to {target}: those known make {found}'
      )

  def settled(self, ticket: Ticket, seed: int) -> 'Transfer':
    """The steps with all that a ticket of the source decides in them."""
    steps = []
    for step in self.steps:
      steps.append(step.settled(ticket))
      ticket = steps[-1].apply(ticket, seed)
    return Transfer(tuple(steps))

  def apply(self, ticket: Ticket, seed: int) -> Ticket:
    """The ticket, taken from the source to the target.

    Raises:
      ValueError: if a step does not make what it predicts.
    """
    for step in self.steps:
      before = Architecture.from_json(ticket.architecture)
      ticket = step.apply(ticket, seed)
      made = Architecture.from_json(ticket.architecture)
      if made != step.predict(before):
        raise ValueError(f'step {step} of {before} made a ticket of {made}')
    return ticket

  @property
  def plan(self) -> Plan:
    """Which unit copies which, once it is settled.

    Raises:
      ValueError: if no step says so.
    """
    for step in self.steps:
      if isinstance(step, Depth) and step.plan is not None:
        return step.plan
    raise ValueError(f'{self} has no settled plan')

  def explain(self, source: Architecture) -> str:
    """What every step does to tickets of the source, a paragraph."""
    return '\n'.join(step.explain(before) for step, before in self.walk(source))

  def walk(self, network: Architecture) -> Iterator[tuple[Step, Architecture]]:
    """Every step with the network before it."""
    for step in self.steps:
      yield step, network
      network = step.predict(network)


def transfers_between(
  source: Place, target: Place, rules: Sequence[str] = ('append',)
) -> list[Transfer]:
  """Every transfer from one place to another that the rules ask for.

  Where kinds of steps have several ways, all combinations are made.

  Args:
    source: where tickets are found.
    target: where they are trained.
    rules: for units, channels or whatever a kind of step reads.

  Raises:
    ValueError: naming both networks, if no steps lead there.
  """
  source.network.with_name(target.network.name)  # refuses another family
  read: dict[type[Step], list[Any]] = {}
  for text in rules:
    cls, rule = read_rule(text)
    read.setdefault(cls, []).append(rule)
  ways = [cls.between(source, target, read.get(cls, [])) for cls in kinds()]
  # the rules for units, which come last, vary slowest
  chosen = itertools.product(*reversed([way for way in ways if way]))
  found = [Transfer(tuple(reversed(steps))) for steps in chosen]
  for transfer in found:
    transfer.check(source.network, target.network)
  return found


def origins(source: Place, target: Place) -> dict[str, Any]:
  """In what a source's place differs: column of results.csv -> value."""
  found = {
    cls.column: cls.origin(source, target) for cls in kinds() if cls.column
  }
  return {name: value for name, value in found.items() if value is not None}


def in_words(changes: Mapping[str, Any]) -> str:
  """What `origins` found, for people: ` on mnist by adam`.

  Args:
    changes: column -> value; others than those of steps are passed over, and
      so are empty ones.
  """
  return ''.join(
    f' {cls.in_words(changes[cls.column])}'
    for cls in kinds()
    if cls.column and changes.get(cls.column)
  )


def suffix(changes: Mapping[str, Any]) -> str:
  """What `origins` found, for names of nodes: `-on-mnist-by-adam`."""
  words = {cls.column: cls.word for cls in kinds()}
  return ''.join(
    f'-{words[name]}-{slug(str(value))}' for name, value in changes.items()
  )
