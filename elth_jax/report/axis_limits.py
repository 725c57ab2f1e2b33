"""Axes of accuracy that start at the networks that train.

Networks that fail, at chance mostly, would squeeze all others together.
"""

from collections.abc import Sequence

import numpy as np

from elth_jax.report.summary import Cell

SQUASHED = 2.5  # times the usual range, at which the axis leaves out the rest


def networks_that_train(
  found: Sequence[Cell], numbers: Sequence[float] = ()
) -> tuple[float, float] | None:
  """From where to where an axis of accuracy goes, in %.

  Args:
    found: cells of one figure.
    numbers: a paper's accuracies in it, in %.

  Returns:
    The limits; `None` where the figure can show all networks, since none is far
    below the others of its target.
  """
  values = _percent(found)
  if not values.size:  # all diverged
    return None
  usual = np.concatenate(
    [
      _usual([cell for cell in found if cell.target == target])
      for target in {cell.target for cell in found}
    ]
  )
  if np.ptp(values) < SQUASHED * max(np.ptp(usual), 1):
    return None
  first, last = min(usual.min(), *numbers, 100), max(usual.max(), *numbers, 0)
  room = 0.08 * (last - first) + 0.1
  return float(first - room), float(last + room)


def _usual(cells: Sequence[Cell]) -> np.ndarray:
  """Accuracies of one target, in %, but for those far below the others."""
  values = _percent(cells)
  if not values.size:
    return values
  low, high = np.quantile(values, [0.25, 0.75])
  usual = values[values >= low - 3 * (high - low)]
  dense = _percent([cell for cell in cells if cell.method == 'dense'])
  return np.append(usual, dense)  # its line is always shown


def _percent(cells: Sequence[Cell]) -> np.ndarray:
  values = [100 * value for c in cells for value in c.accuracy.values()]
  return np.array([value for value in values if np.isfinite(value)])


def below(start: float, cell: Cell) -> str:
  """The mean if it is below the start of an axis, else replicates that are.

  Args:
    start: in %.
    cell: of one method.
  """
  if 100 * cell.mean < start:
    spread = f' ± {100 * cell.std:.1f}' if len(cell.accuracy) > 1 else ''
    return f'{100 * cell.mean:.1f}{spread}'
  low = sorted(value for value in _percent([cell]) if value < start)
  return ', '.join(f'{value:.1f}' for value in low)
