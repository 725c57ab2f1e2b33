"""Rows of a table that draw a value with its interval on one common axis."""

import dataclasses
import math
from collections.abc import Sequence

from markupsafe import Markup, escape

from elth_jax.report.svg import ticks


@dataclasses.dataclass(frozen=True)
class Strips:
  """An axis that all rows of a table share; places are shares of its width.

  Attributes:
    low: left end.
    high: right end.
    lines: values at which every row has a dashed line.
  """

  low: float
  high: float
  lines: Sequence[float] = ()

  def at(self, value: float) -> str:
    """Where a value stands, with a margin of 4% on both sides."""
    share = (min(max(value, self.low), self.high) - self.low) / (
      self.high - self.low
    )
    return f'{4 + 92 * share:.2f}%'

  def head(self) -> Markup:
    """The numbers of the axis."""
    parts = [
      f'<text x="{self.at(value)}" y="12" text-anchor="middle">{text}</text>'
      for value, text in ticks(self.low, self.high, 4)
    ]
    return _svg(parts, 16)

  def row(
    self,
    series: int,
    mean: float,
    margin: float,
    values: Sequence[float] = (),
    classes: str = '',
  ) -> Markup:
    """A mark at the mean, a bar to its interval, and small marks.

    Args:
      series: the number of its line, for colour and marker.
      mean: where the mark is.
      margin: half the bar; not finite for none.
      values: of replicates.
      classes: of the drawing, for style sheets.
    """
    parts = [
      f'<line class="zero" x1="{self.at(value)}" x2="{self.at(value)}" '
      'y1="0" y2="24"/>'
      for value in self.lines
    ]
    parts += [
      f'<circle class="dot" cx="{self.at(value)}" cy="12" r="2"/>'
      for value in values
    ]
    if math.isfinite(margin) and margin > 0:
      left, right = self.at(mean - margin), self.at(mean + margin)
      parts.append(
        f'<line class="bar" x1="{left}" x2="{right}" y1="12" y2="12"/>'
      )
    if math.isfinite(mean):
      parts.append(
        f'<svg x="{self.at(mean)}" y="12" overflow="visible">'
        f'<use href="#mark-{series}"/></svg>'
      )
    return _svg(parts, 24, f's{series} {classes}')


def _svg(parts: Sequence[str], height: int, classes: str = '') -> Markup:
  return Markup(
    f'<svg class="strip {escape(classes)}" width="100%" height="{height}" '
    f'aria-hidden="true">{"".join(parts)}</svg>'
  )
