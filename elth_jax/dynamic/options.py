"""Options of the dynamic methods, as plain values."""

import dataclasses
from typing import Literal

from elth_jax.limits import AT_LEAST_1, SHARE, Limits, check_numbers
from elth_jax.reading import check_types


@dataclasses.dataclass(frozen=True)
class Sparse:
  """Options of methods that change masks while they train.

  Attributes:
    distribution: RigL's and SET's counts by layer: `erk`, or `uniform` with a
      dense first layer.
    interval: steps between RigL's and SET's updates, and GMP's masks.
    drop_fraction: share of a layer's weights that updates drop, falling by a
      cosine from step 0, so that the first one drops less already.
    stop_fraction: share of training after which RigL's and SET's masks stay,
      and GMP's sparsity is reached.
    dpf_interval: steps between DPF's masks.
  """

  distribution: Literal['erk', 'uniform'] = 'erk'
  interval: int = 100
  drop_fraction: float = 0.3
  stop_fraction: float = 0.75
  dpf_interval: int = 16

  def __post_init__(self):
    check_types(self, 'sparse.')
    check_numbers(
      self,
      'sparse.',
      interval=AT_LEAST_1,
      drop_fraction=Limits(0, 1, below=True),
      stop_fraction=SHARE,
      dpf_interval=AT_LEAST_1,
    )
