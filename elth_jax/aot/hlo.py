"""Reads a compiled program's text: its loops, what they cost, what it calls.

The text is what `jax.stages.Compiled.as_text` returns. A computation is a list
of instructions in the order in which they run. TPU's compiler writes how many
cycles it expects of each instruction; no other compiler does.
"""

import dataclasses
import functools
import math
import re
from collections import Counter
from collections.abc import Iterator

from elth_jax.aot.instruction import (
  Instruction,
  bytes_of,
  product_kind,
  read_instruction,
  target_of,
)

# instructions that move nothing, or whose cost is that of others
FREE = {
  'after-all',
  'bitcast',
  'call',
  'conditional',
  'constant',
  'get-tuple-element',
  'parameter',
  'partition-id',
  'tuple',
  'while',
}
SLICES = {'dynamic-slice', 'gather', 'slice'}
COLLECTIVES = (
  'all-gather',
  'all-reduce',
  'all-to-all',
  'collective-permute',
  'reduce-scatter',
)
HOST = re.compile(r'callback|infeed|outfeed|^send|^recv|host', re.IGNORECASE)

_COMPUTATION = re.compile(r'^(ENTRY )?%?([\w.\-]+) \(.*\{$')
_CYCLES = re.compile(r'"estimated_cycles":"(\d+)"')
_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"')


@dataclasses.dataclass(frozen=True)
class Cost:
  """What some instructions cost.

  Attributes:
    cycles: of one core, as TPU's compiler estimates them; 0 if none says so.
    bytes: read and written by instructions; what stays on the chip of a TPU
      core is not counted, nor what is skipped of a slice.
  """

  cycles: int = 0
  bytes: int = 0

  def __add__(self, other: 'Cost') -> 'Cost':
    return Cost(self.cycles + other.cycles, self.bytes + other.bytes)

  def __mul__(self, times: int) -> 'Cost':
    return Cost(self.cycles * times, self.bytes * times)


@dataclasses.dataclass(frozen=True)
class Loop:
  """A loop of the program.

  Attributes:
    body: the computation that is repeated.
    trips: how often, if the program says so; `None` if data does.
    outer: by which loops it is surrounded, from outside.
  """

  body: str
  trips: int | None
  outer: tuple['Loop', ...] = ()

  @property
  def outer_trips(self) -> int:
    """How often it is run, unless data says how often."""
    return math.prod(loop.trips or 1 for loop in self.outer)


class Program:
  """A compiled program, read from its text."""

  def __init__(self, text: str):
    self._computations: dict[str, dict[str, Instruction]] = {}
    self._entry = ''
    self._text = text
    into: dict[str, Instruction] = {}
    for line in text.splitlines():
      if started := _COMPUTATION.match(line):
        into = self._computations.setdefault(started[2], {})
        self._entry = started[2] if started[1] else self._entry
      elif found := read_instruction(line):
        into[found.name] = found
    if not self._entry:
      raise ValueError('the text is of no compiled program: it has no ENTRY')

  def instructions(self) -> Iterator[Instruction]:
    """All instructions, those inside fusions too."""
    for computation in self._computations.values():
      yield from computation.values()

  def loops(self) -> list[Loop]:
    """All loops, outer ones before those inside them."""
    return list(self._loops(self._entry, ()))

  def step_loop(self) -> Loop:
    """The loop whose number of rounds is data: each round is a step.

    Raises:
      ValueError: if there is none, or more than one.
    """
    found = [loop for loop in self.loops() if loop.trips is None]
    if len(found) != 1:
      raise ValueError(f'{len(found)} loops end by data; a segment has one')
    return found[0]

  def cost_outside(self, loop: Loop) -> Cost:
    """What is run once a dispatch: all but that loop."""
    return self._cost(self._entry, frozenset({loop.body}))

  @functools.cached_property
  def step_cost(self) -> Cost:
    """Of one step of all tickets of a device, loops inside it unrolled.

    Of a conditional the costliest branch counts.
    """
    loop = self.step_loop()
    return self._cost(loop.body, frozenset()) * loop.outer_trips

  def inner_loops(self) -> list[Loop]:
    """Loops inside a step."""
    return [loop for loop in self.loops() if self.step_loop() in loop.outer]

  def convolutions(self) -> Counter[str]:
    """How convolutions and products are computed, and how many are so.

    `convolution`, with its groups; a GPU's library calls by their names;
    `triton` for its generated products; `dot` for a plain one.
    """
    generated = {
      called
      for one in self.instructions()
      if product_kind(one) == 'triton'
      for called in one.called('calls')
    }
    return Counter(
      kind
      for name, computation in self._computations.items()
      for one in computation.values()
      if (kind := product_kind(one)) and name not in generated
    )

  def precisions(self) -> set[str]:
    """In which precisions products are multiplied, as XLA names them.

    Empty if the program leaves it to the device.
    """
    return set(re.findall(r'operand_precision=\{([a-z]+),', self._text))

  def collectives(self) -> Counter[str]:
    """What devices exchange, by kind; asynchronous ones count once."""
    return Counter(
      kind
      for one in self.instructions()
      for kind in COLLECTIVES
      if one.opcode in (kind, f'{kind}-start')
    )

  def host_calls(self) -> list[str]:
    """Instructions that leave the devices for the host."""
    return [
      one.name
      for one in self.instructions()
      if HOST.search(f'{one.opcode} {target_of(one)}')
    ]

  def donated(self) -> int:
    """How many arguments give their memory to results."""
    head = self._text.partition('\n')[0]
    return len(re.findall(r'\(\d+, \{[^}]*\}, (?:may|must)-alias\)', head))

  def entry_copies(self, least: int) -> list[str]:
    """Copies of at least so many bytes that every dispatch makes."""
    entry = self._computations[self._entry].values()
    return [
      one.name
      for one in entry
      if one.opcode in ('copy', 'transpose', 'copy-start')
      and bytes_of(one.shape) >= least
    ]

  def _loops(self, name: str, outer: tuple[Loop, ...]) -> Iterator[Loop]:
    for one in self._computations.get(name, {}).values():
      if one.opcode == 'while':
        (body,) = one.called('body')
        loop = Loop(body, self._trips(one), outer)
        yield loop
        yield from self._loops(body, (*outer, loop))
      else:
        for called in _run_by(one):
          yield from self._loops(called, outer)

  def _trips(self, loop: Instruction) -> int | None:
    """From the compiler's note, or the only constant of its condition."""
    if known := _TRIPS.search(loop.rest):
      return int(known[1])
    numbers = [
      int(one.rest)
      for name in loop.called('condition')
      for one in self._computations[name].values()
      if one.opcode == 'constant' and one.rest.isdecimal()
    ]
    return numbers[0] if len(numbers) == 1 else None

  def _cost(self, name: str, without: frozenset[str]) -> Cost:
    total = Cost()
    for one in self._computations.get(name, {}).values():
      total += self._own_cost(name, one)
      if one.opcode == 'while':
        (body,) = one.called('body')
        if body not in without:
          total += self._cost(body, without) * (self._trips(one) or 1)
      elif called := _run_by(one):
        costs = [self._cost(part, without) for part in called]
        total += max(costs, key=lambda cost: (cost.cycles, cost.bytes))
    return total

  def _own_cost(self, computation: str, one: Instruction) -> Cost:
    if one.opcode in FREE or one.opcode.endswith(('-done', '-update')):
      return Cost()
    cycles = _CYCLES.search(one.rest)
    return Cost(
      int(cycles[1]) if cycles else 0, self._traffic(computation, one)
    )

  def _traffic(self, computation: str, one: Instruction) -> int:
    """Bytes read and written; of a sliced operand only what is taken."""
    known = self._computations[computation]
    inside = self._inside(one)
    if one.opcode in SLICES:
      return 2 * bytes_of(one.shape)
    read = sum(
      _taken(inside, place, known[name].shape)
      for place, name in enumerate(one.operands)
      if name in known
    )
    if one.opcode.endswith('-start'):  # its result has its operands in it
      return 2 * read
    return read + bytes_of(one.shape)

  def _inside(self, one: Instruction) -> dict[str, Instruction]:
    (name,) = one.called('calls')[:1] or ('',)
    return self._computations.get(name, {}) if one.opcode == 'fusion' else {}


def _run_by(one: Instruction) -> list[str]:
  """The computations that an instruction runs, but for loops and fusions."""
  if one.opcode == 'conditional':
    return one.called(
      'branch_computations', 'true_computation', 'false_computation'
    )
  if one.opcode == 'call':
    return one.called('to_apply')
  return one.called('calls') if one.opcode == 'async-start' else []


def _taken(inside, place: int, shape: str) -> int:
  """Bytes that a fusion reads of an operand."""
  parameter = next(
    (
      name
      for name, one in inside.items()
      if one.opcode == 'parameter' and one.rest == str(place)
    ),
    None,
  )
  uses = [one for one in inside.values() if parameter in one.operands]
  if uses and all(one.opcode in SLICES for one in uses):
    return min(bytes_of(shape), sum(bytes_of(one.shape) for one in uses))
  return bytes_of(shape)
