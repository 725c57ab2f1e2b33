"""Options of the pruners, as plain values."""

import dataclasses

from elth_jax.limits import AT_LEAST_0, AT_LEAST_1, check_numbers
from elth_jax.pruners.select import Scope
from elth_jax.reading import check_types


@dataclasses.dataclass(frozen=True)
class Pruning:
  """Options of the baselines that prune by scores.

  Attributes:
    scope: among which weights the largest scores are kept: `global`, `stage`
      or `leaf`; see `pruners.select`.
    batches: how many batches SNIP and GraSP see; 0 for a whole epoch, as
      E-LTH's code did.
    grasp_absolute: whether GraSP ranks by |S|, as E-LTH's code did.
    synflow_rounds: how many rounds SynFlow's schedule has.
  """

  scope: Scope = 'global'
  batches: int = 1
  grasp_absolute: bool = False
  synflow_rounds: int = 100

  def __post_init__(self):
    check_types(self, 'pruning.')
    check_numbers(
      self, 'pruning.', batches=AT_LEAST_0, synflow_rounds=AT_LEAST_1
    )
