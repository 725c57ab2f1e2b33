"""How many replicates would decide a claim."""

import math

from scipy import stats

from elth_jax.statistics.difference import Difference

POWER = 0.8
LEVEL = 0.05
MOST = 10_000  # replicates; whoever needs more needs another design


def replicates_needed(
  found: Difference, bound: float, within: bool = False, level: float = LEVEL
) -> int | None:
  """The fewest replicates at which a test decides with a power of 80%.

  As if the mean and the spread that were found were the true ones.

  Args:
    found: the estimate, of at least two replicates.
    bound: the number that the difference is compared with.
    within: whether it is to lie within +-bound (two one-sided tests), or
      outside; else above or below `bound`.
    level: of each one-sided test.

  Returns:
    The number; `None` if the spread is unknown or it is above 10,000.
  """
  if not math.isfinite(found.error) or found.replicates < 2:
    return None
  if found.error == 0:
    return 2
  low, high = 1, 2
  while _power(found, bound, within, level, high) < POWER:
    low, high = high, 2 * high
    if low > MOST:
      return None
  while high - low > 1:
    middle = (low + high) // 2
    enough = _power(found, bound, within, level, middle) >= POWER
    low, high = (low, middle) if enough else (middle, high)
  return high if high <= MOST else None


def _power(
  found: Difference, bound: float, within: bool, level: float, replicates: int
) -> float:
  freedom = found.freedom * (replicates - 1) / (found.replicates - 1)
  error = found.error * math.sqrt(found.replicates / replicates)
  if not within:
    return _chance(abs(found.mean - bound) / error, freedom, level)
  distance = abs(found.mean)
  if distance >= bound:
    return _chance((distance - bound) / error, freedom, level)
  near, far = (
    _chance((bound + sign * distance) / error, freedom, level)
    for sign in (-1, 1)
  )
  return max(near + far - 1, 0.0)


def _chance(shift: float, freedom: float, level: float) -> float:
  """Of a t statistic beyond its quantile, if the mean is so far off."""
  if shift > 30:  # where the noncentral distribution loses its digits
    quantile = float(stats.t.ppf(1 - level, freedom))
    return 1.0 if shift > 2 * quantile else 0.0
  return float(stats.nct.sf(stats.t.ppf(1 - level, freedom), freedom, shift))
