"""How many tickets are trained at once, and on which devices."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jax

from elth_jax.process.devices import platform_of

if TYPE_CHECKING:  # a config reads `parallel`, and need not load flax
  from elth_jax.families import Architecture

MOST_TICKETS = 4096  # at once; more is a slip
MOST_TICKETS_PER_DEVICE = 8  # on GPUs; a CPU device or a TPU core takes one
SHARE_OF_MEMORY = 0.5
FLOATS_PER_OUTPUT = 4  # a layer's output, normalised, its gradient, and slack
WORDS: dict[str, tuple[int, bool | None]] = {  # word -> tickets, split_batches
  'auto': (0, None),
  'tickets': (0, False),
  'batch': (1, True),
}
REMEDY = (
  f'give auto, tickets, batch or a number of tickets, at most {MOST_TICKETS}'
)


@dataclasses.dataclass(frozen=True)
class Parallel:
  """One way to run the tickets of a study.

  One step is the same in any way to rounding. What follows from many steps is
  the same bit for bit in the same way, on the same devices, and may differ in
  another: training amplifies rounding (docs/accelerators.md).

  Attributes:
    tickets: how many at once; 0 for as many as suit.
    split_batches: whether devices may share a ticket's batches; `None` if
      steps are long enough.

  Raises:
    ValueError: if no text of the option says so; see `parse`.
  """

  tickets: int = 0
  split_batches: bool | None = None

  def __post_init__(self):
    if (self.tickets, self.split_batches) in WORDS.values():
      return
    if self.split_batches is not None or not 0 < self.tickets <= MOST_TICKETS:
      raise ValueError(
        f'parallel: {self.tickets} tickets, split_batches '
        f'{self.split_batches}; {REMEDY}'
      )

  @classmethod
  def parse(cls, text: str) -> 'Parallel':
    """Reads the option `parallel`.

    `auto`: a ticket on each CPU device or TPU core; on GPUs as many as the
    study has replicates, as far as half the memory holds them and up to 8 on
    each; where there are fewer tickets than devices, they share batches if
    steps are long. `tickets`: never share.
    `batch`: one ticket at a time, its batches split over all devices. A
    number: that many at once.

    Raises:
      ValueError: if it is none of these.
    """
    if text in WORDS:
      return cls(*WORDS[text])
    if text.isdecimal() and 0 < int(text) <= MOST_TICKETS:
      return cls(int(text))
    raise ValueError(f'parallel is {text!r}; {REMEDY}')

  def __str__(self) -> str:
    """The option; `Parallel.parse` reads it back."""
    words = {value: word for word, value in WORDS.items()}
    return words.get((self.tickets, self.split_batches), str(self.tickets))

  def lanes(
    self,
    network: 'Architecture',
    batch_size: int,
    devices: Sequence[jax.Device] = (),
    replicates: int = MOST_TICKETS,
  ) -> int:
    """How many tickets of a network are trained at once.

    Args:
      network: what is trained.
      batch_size: images a step.
      devices: this process's first; by default this process's alone.
      replicates: how many the study has; by default more than fit. On a GPU no
        more are trained at once: IMP trains a level of all replicates together,
        and a place that is empty then takes as long as a ticket.
    """
    if self.tickets:
      return self.tickets
    devices = devices or jax.local_devices()
    if platform_of(devices) != 'gpu':
      return len(devices)
    limit = (devices[0].memory_stats() or {}).get('bytes_limit', 0)
    floats = FLOATS_PER_OUTPUT * network.outputs() * batch_size
    fitting = int(limit * SHARE_OF_MEMORY // (4 * floats))
    wanted = min(MOST_TICKETS_PER_DEVICE, -(-replicates // len(devices)))
    return len(devices) * max(1, min(wanted, fitting))

  def placement(
    self,
    network: 'Architecture',
    batch_size: int,
    devices: Sequence[jax.Device] = (),
    replicates: int = MOST_TICKETS,
  ) -> dict[str, Any]:
    """What a `Trainer` must be told: `devices`, `per_device`, `split_batches`.

    The arguments are those of `lanes`.
    """
    devices = devices or jax.local_devices()
    lanes = self.lanes(network, batch_size, devices, replicates)
    per_device = -(-lanes // len(devices))
    used = (
      len(devices)
      if self.split_batches is not False
      else -(-lanes // per_device)
    )
    return {
      'devices': devices[:used],
      'per_device': per_device,
      'split_batches': self.split_batches,
    }
