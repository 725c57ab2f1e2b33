"""The option `distributed`: which processes run a study together."""

import dataclasses
import re

MOST_PROCESSES = 2**16  # more is a slip
WORDS = ('off', 'auto')
REMEDY = (
  'give off, auto, or address:port,processes,number, e.g. host0:1234,2,0 for '
  'the first of two processes'
)


@dataclasses.dataclass(frozen=True)
class Distributed:
  """Which processes run a study together, and which of them this one is.

  Attributes:
    mode: `off` for this one alone; `auto` to ask the cluster's environment, as
      `jax.distributed.initialize` does; else host and port of process 0.
    processes: how many there are; 0 if `mode` is a word.
    number: of this process, from 0.

  Raises:
    ValueError: if no text of the option says so; see `parse`.
  """

  mode: str = 'off'
  processes: int = 0
  number: int = 0

  def __post_init__(self):
    if self.mode in WORDS and not self.processes and not self.number:
      return
    address = re.fullmatch(r'[^\s,]+:(\d{1,5})', self.mode)
    fits = address and 0 < int(address[1]) < 2**16
    fits = fits and 0 < self.processes <= MOST_PROCESSES
    if not fits or not 0 <= self.number < self.processes:
      raise ValueError(f'distributed is {str(self)!r}; {REMEDY}')

  @classmethod
  def parse(cls, text: str) -> 'Distributed':
    """Reads the option: `off`, `auto` or `address:port,processes,number`.

    Raises:
      ValueError: if it is none of these.
    """
    mode, *numbers = text.split(',')
    if not numbers and mode in WORDS:
      return cls(mode)
    if len(numbers) != 2 or not all(n.isdecimal() for n in numbers):
      raise ValueError(f'distributed is {text!r}; {REMEDY}')
    return cls(mode, *map(int, numbers))

  def __str__(self) -> str:
    """The option; `Distributed.parse` reads it back."""
    if self.mode in WORDS:
      return self.mode
    return f'{self.mode},{self.processes},{self.number}'
