"""Whether a study trains long enough for its comparisons to mean something."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Literal

from elth_jax.families import pretty
from elth_jax.report.comparison import LEVEL, contrast
from elth_jax.report.summary import Cell, Row, cells, spread
from elth_jax.statistics import Difference
from elth_jax.study.analysis_nodes import DOUBLED

Converged = Literal['yes', 'not certain', 'unknown', 'no']
MOST = 1.0  # points that doubling the epochs may gain a converged network


def answer(gain: Difference) -> Converged:
  """Whether a network has converged that gains so much by twice the epochs.

  Less than a point, by a one-sided test at 5%. One that loses a point or more
  fails at times, which tells nothing.
  """
  if gain.mean >= MOST:
    return 'no'
  certain = gain.mean > -MOST and gain.p_below(MOST) < LEVEL
  return 'yes' if certain else 'not certain'


@dataclasses.dataclass(frozen=True)
class Gate:
  """What twice the epochs gain the dense networks.

  Attributes:
    gains: network -> points of test accuracy.
  """

  gains: dict[str, Difference]

  @property
  def passed(self) -> bool:
    """Whether every dense network has converged, for certain."""
    return all(answer(gain) == 'yes' for gain in self.gains.values())

  @property
  def failed(self) -> bool:
    """Whether one has not converged, by the mean over replicates."""
    return any(answer(gain) == 'no' for gain in self.gains.values())

  def __str__(self) -> str:
    """The gate in words."""
    gains = ', '.join(
      f'{pretty(name)} {gain.mean:+.2f}{spread(gain.margin())}'
      for name, gain in self.gains.items()
    )
    found = f'Twice the epochs change the dense network by {gains} points'
    if self.passed:
      return f'{found}: it has converged.'
    if self.failed:
      return (
        f'{found}: it has not converged, so methods that train longer in all, '
        'as IMP does, gain from that alone.'
      )
    if any(gain.mean <= -MOST for gain in self.gains.values()):
      return (
        f'{found}: some fail at times, so it cannot be told whether they have '
        'converged.'
      )
    return (
      f'{found}: less than one, but more replicates would have to tell whether '
      'it has converged.'
    )


def gate(rows: Sequence[Row], test_images: int = 0) -> Gate | None:
  """The gate of a study; `None` where nothing was trained twice as long.

  Args:
    rows: of results.csv; `analyses.doubled` adds what is needed.
    test_images: how many there are; 0 if that is not known.
  """
  longer = [{**r, 'method': 'dense'} for r in rows if r['method'] == DOUBLED]
  usual = [row for row in rows if row['method'] == 'dense']
  doubled = {c.target: c for c in cells(longer, test_images=test_images)}
  gains = {
    cell.target: contrast([(100.0, doubled[cell.target]), (-100.0, cell)])
    for cell in cells(usual, test_images=test_images)
    if cell.target in doubled
  }
  known = {name: g for name, g in gains.items() if not math.isnan(g.mean)}
  return Gate(known) if known else None


def outgrown(found: Sequence[Cell]) -> Converged | None:
  """What sparse tickets of IMP tell, where they beat the dense network.

  IMP trains longer in all, so dense networks have not converged where it gains
  more than a point.

  Returns:
    `no` if that is certain by a one-sided test at 5%, `not certain` if it is so
    on average; `None` if it is not so.
  """
  dense = {cell.target: cell for cell in found if cell.method == 'dense'}
  gains = [
    contrast([(100.0, cell), (-100.0, dense[cell.target])])
    for cell in found
    if cell.method == 'imp' and cell.target in dense
  ]
  if any(gain.p_above(MOST) < LEVEL for gain in gains):
    return 'no'
  return 'not certain' if any(gain.mean > MOST for gain in gains) else None


def sentences(found: Sequence[Cell], longer: Gate | None) -> list[str]:
  """What is known of the dense networks' training; empty if nothing.

  Args:
    found: the cells of a study.
    longer: what twice the epochs gain them; `None` if that is unknown.
  """
  known = [str(longer)] if longer else []
  ahead = outgrown(found)
  if ahead == 'no':
    known.append(
      "IMP's sparse networks are more than a point better than the dense one, "
      'which trains less: by this, it has not converged.'
    )
  elif ahead:
    known.append(
      "On average IMP's sparse networks are more than a point better than the "
      'dense one, which trains less. More replicates would have to tell '
      'whether it has converged.'
    )
  return known


def converged(found: Sequence[Cell], longer: Gate | None) -> Converged:
  """Whether the dense networks of a study have converged.

  Args:
    found: its cells; sparse networks that are better say that they have not.
    longer: what twice the epochs gain them; `None` if that is unknown.
  """
  ahead = outgrown(found)
  if ahead == 'no' or (longer and longer.failed):
    return 'no'
  if longer is None:
    return 'unknown'
  return 'yes' if longer.passed and not ahead else 'not certain'
