"""E-LTH's table 5, of MLPs and VGGs: what it claims."""

from elth_jax.study.claims import Claim, no_worse

SPARSITY = 0.8926
# points; on handwritten digits that is less than one test image
CLAIMED = 0.21
ON_DIGITS = 1.0


def comparable(within: float, where: str = '') -> tuple[Claim, ...]:
  """That each elastic ticket loses no more than so many points against IMP.

  Those with exactly as many weights as IMP keeps stand beside.

  Args:
    within: points of test accuracy.
    where: the claim's number, if it is the paper's own margin.
  """
  return tuple(
    no_worse(name, 'imp', within, SPARSITY, everywhere=True, where=where)
    for name in ('ett', 'ett_matched')
  )
