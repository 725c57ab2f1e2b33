"""Holm's correction for several tests."""

from collections.abc import Sequence

import numpy as np


def holm(values: Sequence[float]) -> list[float]:
  """P-values corrected so that they hold all together.

  At level a, the chance that any true null hypothesis is rejected is at most
  a, whatever the tests have in common.

  Args:
    values: p-values, in any order.

  References:
    Holm 1979, A simple sequentially rejective multiple test procedure.
  """
  order = np.argsort(values, kind='stable')
  factors = len(values) - np.arange(len(values))
  scaled = np.minimum(np.asarray(values, float)[order] * factors, 1)
  corrected = np.empty(len(values))
  corrected[order] = np.maximum.accumulate(scaled)
  return corrected.tolist()
