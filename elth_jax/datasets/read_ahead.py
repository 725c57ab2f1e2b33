"""How images of a stream are read ahead of training."""

import dataclasses

from elth_jax.limits import Limits, check_numbers

MOST_READERS = 1000  # threads, processes or batches ahead; more is a slip


@dataclasses.dataclass(frozen=True)
class Reading:
  """How images are read ahead; changes no image.

  Attributes:
    threads: of each process; 0 for one a core.
    processes: that decode, beside this one; 0 to decode here.
    ahead: how many batches are ready before they are needed.
  """

  threads: int = 0
  processes: int = 0
  ahead: int = 2

  def __post_init__(self):
    few = Limits(0, MOST_READERS)
    check_numbers(
      self,
      'reading.',
      threads=few,
      processes=few,
      ahead=Limits(1, MOST_READERS),
    )
