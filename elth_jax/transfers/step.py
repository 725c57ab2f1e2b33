"""What a step of a transfer is, and the registry of all kinds of steps."""

import abc
import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from elth_jax.families import Architecture
from elth_jax.names import unknown
from elth_jax.registry import Registry
from elth_jax.tickets.ticket import Ticket

if TYPE_CHECKING:
  from matplotlib.figure import Figure


@dataclasses.dataclass(frozen=True)
class Place:
  """Where a ticket was found, or will be trained.

  Attributes:
    network: the network.
    dataset: the name of the data set that it is trained on.
    optimizer: `sgd`, `adam` or `adamw`.
  """

  network: Architecture
  dataset: str
  optimizer: str


class Step(abc.ABC):
  """One change to a ticket on its way from one place to another.

  A kind of step is a subclass: a frozen dataclass of plain values, in a file
  of its own, which `register`s it. The values determine what the step does, so
  they enter the keys of a study.

  Attributes:
    kind: the name of this kind of step.
    order: a transfer takes steps from the smallest to the largest; one that
      changes the weights it is given, at their old depth, comes before 50.
    version: raised when a mended step makes other tickets; see `study.keys`.
    column: of results.csv, if it tells how sources differ in this respect.
    word: between the name of a network and that difference, in names of nodes.
    adds_dense_leaves: whether leaves lose their masks, so that a ticket cannot
      be trained beside others that have them.
  """

  kind: ClassVar[str]
  order: ClassVar[int] = 60
  version: ClassVar[int] = 1
  column: ClassVar[str] = ''
  word: ClassVar[str] = ''
  adds_dense_leaves: ClassVar[bool] = False

  @classmethod
  def read(cls, text: str) -> Any:
    """What a rule, as `orders` of a config has it, asks of this kind of step.

    Returns:
      The rule as a value; `None` if it asks for something else.

    Raises:
      ValueError: if it may ask for this kind, and cannot be read.
    """
    del text

  @classmethod
  def origin(cls, source: Place, target: Place) -> Any:
    """What differs at the source, as `column` tells it; `None` if nothing."""
    del source, target
    return None

  @classmethod
  def in_words(cls, origin: Any) -> str:
    """What `origin` found, for people."""
    return f'{cls.word.replace("-", " ")} {origin}'

  @classmethod
  @abc.abstractmethod
  def between(
    cls, source: Place, target: Place, rules: Sequence[Any]
  ) -> list['Step']:
    """The steps of this kind that lead from one place to another.

    Args:
      source: where the ticket was found.
      target: where it will be trained.
      rules: what this kind `read` of those in a config.

    Returns:
      One step for each way; none if the ticket needs no such step.

    Raises:
      ValueError: naming both networks, if no rule leads there.
    """

  @property
  def label(self) -> str:
    """The rule, as results name it; empty if there is nothing to choose."""
    return ''

  def predict(self, network: Architecture) -> Architecture:
    """The network that a ticket is for after this step."""
    return network

  def check(self, network: Architecture) -> None:  # noqa: B027
    """Checks that the step can be taken, before there is any ticket.

    Raises:
      ValueError: naming the network, and what to do.
    """

  def settled(self, ticket: Ticket) -> 'Step':
    """This step with all that the ticket decides, e.g. which units are best.

    A settled step does to other tickets what it does to this one.
    """
    del ticket
    return self

  @abc.abstractmethod
  def apply(self, ticket: Ticket, seed: int) -> Ticket:
    """The ticket after this step.

    Args:
      ticket: as the steps before left it.
      seed: of whatever is drawn at random.
    """

  @abc.abstractmethod
  def explain(self, network: Architecture) -> str:
    """What the step does to tickets of a network, in one or more lines."""

  def figure(
    self, network: Architecture, ticket: Ticket
  ) -> 'tuple[Figure, str] | None':
    """How reports draw the step, and a caption; `None` where text is enough.

    The step is settled.

    Args:
      network: what the step is applied to.
      ticket: what the whole transfer made.
    """
    del network, ticket
    return None


STEPS: Registry[type[Step]] = Registry('kind of step')
Kind = TypeVar('Kind', bound=type[Step])


def register(cls: Kind) -> Kind:
  """Enters a kind of step into `STEPS`; decorates its class."""
  STEPS.register(cls.kind, cls)
  return cls


def kinds() -> list[type[Step]]:
  """All kinds of steps, in the order in which a transfer takes them."""
  return sorted(STEPS.values(), key=lambda cls: cls.order)


def read_rule(text: str) -> tuple[type[Step], Any]:
  """The kind of step that a rule of a config asks for, and what it read.

  Raises:
    ValueError: if none reads it; with what is wrong, or the nearest known.
  """
  faults: list[ValueError] = []
  for cls in kinds():
    try:
      if (rule := cls.read(text)) is not None:
        return cls, rule
    except ValueError as error:
      faults.append(error)
  raise faults[0] if faults else ValueError(unknown('rule', text, STEPS))
