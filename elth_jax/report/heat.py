"""How strongly the table of elastic tickets against IMP is coloured."""

import math
from collections.abc import Mapping

import numpy as np

from elth_jax.report.colours import LIGHT, mixed
from elth_jax.report.comparison import Comparison

AHEAD, BEHIND = '#1F6FB4', '#C2410C'  # apart for colour-blind readers too
LEAST = 1.0  # points: smaller limits would blow up what nobody cares about
PALE = 0.12  # the most colour of a difference that may be chance


def limit(matrix: Mapping[tuple[str, str], Comparison]) -> float:
  """Points at which colour is full, on both sides of 0.

  At least what chance alone would give: the median margin.
  """
  pairs = matrix.values()
  sure = [abs(p.difference) for p in pairs if p.verdict != 'undecided']
  margins = [p.margin for p in pairs if math.isfinite(p.margin)]
  if not margins:  # one replicate: nothing tells noise
    sure = [abs(pair.difference) for pair in pairs]
  noise = float(np.median(margins)) if margins else 0.0
  return max(LEAST, 100 * noise, *(100 * one for one in sure))


def strength(pair: Comparison, most: float) -> float:
  """How much colour a difference has, from -1 to 1; pale if undecided."""
  share = min(1.0, abs(100 * pair.difference) / most)
  if pair.verdict == 'undecided':
    share = min(share, PALE)
  return math.copysign(share, pair.difference)


def colour(share: float) -> str:
  """Of a strength: white at 0, no darker than black text can be read on."""
  return mixed(LIGHT, AHEAD if share > 0 else BEHIND, 0.55 * abs(share))
