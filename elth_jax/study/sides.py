"""A side of a claim: the networks that were trained in one way."""

import dataclasses
import re
from decimal import Decimal

SIDE = r'([a-z]\w*)(?:\[([^\]]+)\])?(?: from ([a-z][\w-]*))?'
HIGHEST_LEVEL = 1000  # of IMP; a higher one is a slip
# what else than accuracy is compared, as in `barrier_ett` -> its unit
MEASURES = {
  'barrier': 'points',  # the largest drop between two trainings of a ticket
  'cost': 'dense trainings',  # of the largest target; on `all`
  'drop': 'points',  # below the dense network
  'first': '% of zeros',  # in the first prunable layer
  'hours': 'hours',  # of the machine; on `all` with the search
  'last': '% of zeros',  # in the last layer before the head
  'sparsity': '% of zeros',
}


@dataclasses.dataclass(frozen=True)
class Side:
  """Which trained networks are meant; an empty field stands for any.

  Attributes:
    method: as in results.csv.
    order: the rule by which a ticket was transformed, as results.csv has it.
    source: the network that it came from, or the data set.

  Raises:
    ValueError: if a field is written as no method, order or source is.
  """

  method: str
  order: str = ''
  source: str = ''

  def __post_init__(self):
    found = re.fullmatch(SIDE, ' '.join(str(self).split()), re.ASCII)
    if not found or parts_of(found) != (self.method, self.order, self.source):
      raise ValueError(
        f'side {str(self)!r}; write e.g. `ett[append] from resnet20`'
      )

  @classmethod
  def parse(cls, text: str) -> 'Side':
    """Reads a side of a claim.

    Raises:
      ValueError: showing how a side is written.
    """
    found = re.fullmatch(SIDE, ' '.join(text.split()), re.ASCII)
    if not found:
      raise ValueError(f'side {text!r}; write e.g. `ett[append] from resnet20`')
    return cls(*parts_of(found))

  def __str__(self) -> str:
    """As in a claim; `Side.parse` reads it back."""
    return f'{self.way} from {self.source}' if self.source else self.way

  @property
  def way(self) -> str:
    """The method, with its order where one is meant."""
    return f'{self.method}[{self.order}]' if self.order else self.method

  @property
  def measure(self) -> str:
    """The word of `MEASURES`; empty for accuracy."""
    first, _, rest = self.method.partition('_')
    return first if rest and first in MEASURES else ''

  @property
  def trained(self) -> str:
    """The method without the measure."""
    return self.method.removeprefix(f'{self.measure}_')

  def matches(self, method: str, order: str, *sources: str) -> bool:
    return (
      self.method == method
      and self.order in ('', order)
      and self.source in ('', *sources)
    )


def as_side(side: Side | str) -> Side:
  """A side given as a value or as text."""
  return Side.parse(side) if isinstance(side, str) else side


def parts_of(match: re.Match[str], first: int = 1) -> tuple[str, str, str]:
  """Method, order and source of a side; empty where it says none."""
  method, order, source = match.group(first, first + 1, first + 2)
  return method, order or '', source or ''


def decimal(number: float) -> str:
  """A number as lines have it: without an exponent, a whole one as given."""
  return f'{Decimal(str(number)):f}'
