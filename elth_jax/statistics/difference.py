"""A difference estimated from replicates, by Student's and Welch's t."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from scipy import stats


@dataclasses.dataclass(frozen=True)
class Difference:
  """An estimate with its standard error.

  Attributes:
    mean: the estimate.
    error: its standard error; infinite where one replicate cannot tell it.
    freedom: degrees of freedom of the standard error.
    replicates: the fewest replicates of any sample.
  """

  mean: float
  error: float
  freedom: float
  replicates: int

  def margin(self, confidence: float = 0.95) -> float:
    """Half the width of the two-sided interval of Student's t."""
    if self.error in (0.0, math.inf):
      return self.error
    quantile = stats.t.ppf((1 + confidence) / 2, self.freedom)
    return self.error * float(quantile)

  def p_above(self, bound: float) -> float:
    """One-sided p of `the true difference is at most bound`."""
    if self.error == math.inf:
      return 1.0
    if self.error == 0:
      return 0.0 if self.mean > bound else 1.0
    return float(stats.t.sf((self.mean - bound) / self.error, self.freedom))

  def p_below(self, bound: float) -> float:
    """One-sided p of `the true difference is at least bound`."""
    return dataclasses.replace(self, mean=-self.mean).p_above(-bound)

  def p_within(self, bound: float) -> float:
    """P of two one-sided tests: that the difference lies within +-bound.

    References:
      Schuirmann 1987, A comparison of the two one-sided tests procedure and
      the power approach for assessing equivalence.
    """
    return max(self.p_above(-bound), self.p_below(bound))

  def p_outside(self, bound: float) -> float:
    """P of `the difference lies within +-bound`, against both sides."""
    return min(1.0, 2 * min(self.p_above(bound), self.p_below(-bound)))

  def times(self, factor: float) -> 'Difference':
    """The same in another unit, by a positive factor."""
    return dataclasses.replace(
      self, mean=self.mean * factor, error=self.error * factor
    )


def sum_of_means(
  samples: Sequence[Sequence[float]],
  known: float = 0.0,
  least: Sequence[float] = (),
) -> Difference:
  """The sum of the means of independent samples, and of a known number.

  One sample is Student's test, paired where its values are differences; two,
  of which one has its signs turned, are Welch's. Samples may differ in size
  and variance.

  Args:
    samples: each of the values of one sample, by replicate.
    known: added to the mean without error.
    least: for each sample, the least variance that its values are taken to
      have, as of their rounding: few replicates may agree by chance. None by
      default.

  References:
    Welch 1947, The generalization of "Student's" problem when several
    different population variances are involved.
  """
  mean = known + float(sum(np.mean(values) for values in samples))
  fewest = min((len(values) for values in samples), default=0)
  if fewest == 1:
    return Difference(mean, math.inf, 0.0, 1)
  floors = least or [0.0] * len(samples)
  variances = [
    max(_variance(values), floor) / len(values)
    for values, floor in zip(samples, floors, strict=True)
  ]
  total = sum(variances)
  if total == 0:
    return Difference(mean, 0.0, math.inf, fewest)
  parts = zip(variances, samples, strict=True)
  freedom = total**2 / sum(v**2 / (len(values) - 1) for v, values in parts)
  return Difference(mean, math.sqrt(total), freedom, fewest)


def _variance(values: Sequence[float]) -> float:
  """Of a sample; what rounding leaves of equal values is none."""
  return float(np.var(values, ddof=1)) if np.ptp(values) > 1e-12 else 0.0
