"""Line charts of the page, as inline SVG that style sheets colour."""

import dataclasses
from collections.abc import Sequence

from markupsafe import Markup, escape
from matplotlib.markers import MarkerStyle
from matplotlib.ticker import MaxNLocator

SIZE = 360.0, 264.0  # of a panel, in CSS pixels
LEFT, RIGHT, TOP, BOTTOM = 46.0, 14.0, 12.0, 42.0  # margins


@dataclasses.dataclass(frozen=True)
class Point:
  """One point of a line, in units of the axes.

  Attributes:
    x: where it is.
    y: where it is.
    low: lower end of its band; equal to y for none.
    high: upper end.
    text: what is shown when a reader points at it.
    link: id of the element that tells more; empty for none.
  """

  x: float
  y: float
  low: float
  high: float
  text: str
  link: str = ''


@dataclasses.dataclass(frozen=True)
class Line:
  """A line of one series.

  Attributes:
    series: its number; colour and marker go by it.
    points: from left to right.
    level: whether it is a level line over the whole width, without markers.
    rings: whether its points are rings without a line: published numbers.
  """

  series: int
  points: Sequence[Point]
  level: bool = False
  rings: bool = False


@dataclasses.dataclass(frozen=True)
class Axes:
  """What panels beside each other have in common.

  Attributes:
    x: left and right end.
    y: lower and upper end.
    x_ticks: value and text.
    y_ticks: likewise.
    x_label: below.
    y_label: beside, from below upwards.
  """

  x: tuple[float, float]
  y: tuple[float, float]
  x_ticks: Sequence[tuple[float, str]]
  y_ticks: Sequence[tuple[float, str]]
  x_label: str
  y_label: str

  def across(self, x: float) -> float:
    """Pixels from the left of a panel."""
    left, right = self.x
    width = SIZE[0] - LEFT - RIGHT
    return LEFT + width * (x - left) / (right - left)

  def down(self, y: float) -> float:
    """Pixels from the top."""
    low, high = self.y
    return (
      SIZE[1] - BOTTOM - (SIZE[1] - TOP - BOTTOM) * (y - low) / (high - low)
    )


def ticks(low: float, high: float, most: int = 5) -> list[tuple[float, str]]:
  """Round numbers from low to high, with texts."""
  values = MaxNLocator(most, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
  edge = 1e-9 * max(abs(low), abs(high), 1)
  return [
    (float(v), f'{v:.10g}'.replace('-', '\N{MINUS SIGN}'))
    for v in values
    if low - edge <= v <= high + edge
  ]


def rounded(low: float, high: float) -> tuple[float, float]:
  """Limits that contain the values, at round numbers."""
  values = MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]).tick_values(
    low, high if high > low else low + 1
  )
  return float(values[0]), float(values[-1])


def mark(marker: str, radius: float = 4.6) -> tuple[str, bool]:
  """A marker of matplotlib as path data around 0, and whether it is filled."""
  style = MarkerStyle(marker or 'None')
  path = style.get_path().transformed(style.get_transform())
  letters = {1: 'M', 2: 'L', 3: 'Q', 4: 'C', 79: 'Z'}
  scale = 2 * radius if marker not in ('*',) else 1.25 * radius
  parts = []
  for points, code in path.iter_segments(curves=True, simplify=False):
    numbers = [
      f'{value * scale * sign:.2f}'
      for value, sign in zip(points, (1, -1) * (len(points) // 2), strict=True)
    ]
    parts.append(letters[int(code)] + ('' if code == 79 else ' '.join(numbers)))
  return ''.join(parts), bool(style.is_filled())


def panel(
  lines: Sequence[Line], axes: Axes, identity: str, words: str
) -> Markup:
  """One chart.

  Args:
    lines: in the order of drawing.
    axes: the same for charts that are compared.
    identity: unique in the page.
    words: what it shows, for those who cannot see it.
  """
  width, height = SIZE
  plot = (
    f'x="{LEFT:g}" y="{TOP:g}" width="{width - LEFT - RIGHT:g}" '
    f'height="{height - TOP - BOTTOM:g}"'
  )
  clip = f'clip-{identity}'
  parts = [
    f'<svg class="panel" viewBox="0 0 {width:g} {height:g}" role="group" '
    f'aria-label="{escape(words)}">',
    f'<clipPath id="{clip}"><rect {plot}/></clipPath>',
    *_grid(axes),
  ]
  for line in lines:
    parts += _line(line, axes, clip)
  return Markup('\n'.join([*parts, '</svg>']))


def _grid(axes: Axes) -> list[str]:
  right, bottom = SIZE[0] - RIGHT, SIZE[1] - BOTTOM
  parts = ['<g class="axis" aria-hidden="true">']
  for value, text in axes.y_ticks:
    y = axes.down(value)
    parts.append(
      f'<path class="grid" d="M{LEFT:g} {y:.1f}H{right:g}"/>'
      f'<text x="{LEFT - 6:g}" y="{y + 4:.1f}" text-anchor="end">'
      f'{escape(text)}</text>'
    )
  for value, text in axes.x_ticks:
    x = axes.across(value)
    parts.append(
      f'<path class="grid" d="M{x:.1f} {TOP:g}V{bottom:g}"/>'
      f'<text x="{x:.1f}" y="{bottom + 15:g}" text-anchor="middle">'
      f'{escape(text)}</text>'
    )
  middle = (TOP + bottom) / 2
  parts += [
    f'<path class="base" d="M{LEFT:g} {bottom:g}H{right:g}"/>',
    f'<text x="{(LEFT + right) / 2:g}" y="{SIZE[1] - 7:g}" '
    f'text-anchor="middle">{escape(axes.x_label)}</text>',
    f'<text transform="translate(11 {middle:g}) rotate(-90)" '
    f'text-anchor="middle">{escape(axes.y_label)}</text>',
    '</g>',
  ]
  return parts


def _line(line: Line, axes: Axes, clip: str) -> list[str]:
  """A band, a line, and points that can be reached by mouse and keyboard."""
  if not line.points:
    return []
  number = line.series
  places = [(axes.across(p.x), axes.down(p.y), p) for p in line.points]
  parts = [f'<g class="s{number}" data-series="{number}">']
  if not line.rings:
    inner = [_band(line, axes)] if not line.level else []
    steps = 'L'.join(f'{x:.1f} {y:.1f}' for x, y, _ in places)
    inner.append(f'<path class="line{" level" * line.level}" d="M{steps}"/>')
    parts.append(f'<g clip-path="url(#{clip})">{"".join(inner)}</g>')
  drawn = f'<use href="#mark-{number}"/>'
  if line.level or line.rings:
    drawn = '' if line.level else '<circle class="ring" r="7"/>'
  for x, y, point in places[-1:] if line.level else places:
    if TOP - 1 <= y <= SIZE[1] - BOTTOM + 1:
      parts.append(_mark(drawn, x, y, point))
  return [*parts, '</g>']


def _band(line: Line, axes: Axes) -> str:
  if all(point.low == point.high for point in line.points):
    return ''
  top = [(axes.across(p.x), axes.down(p.high)) for p in line.points]
  low = [(axes.across(p.x), axes.down(p.low)) for p in line.points]
  if len(top) == 1:  # a band needs a second point
    (x, high), (_, bottom) = top[0], low[0]
    return f'<path class="line" d="M{x:.1f} {high:.1f}V{bottom:.1f}"/>'
  steps = 'L'.join(f'{x:.1f} {y:.1f}' for x, y in [*top, *low[::-1]])
  return f'<path class="band" d="M{steps}Z"/>'


def _mark(drawn: str, x: float, y: float, point: Point) -> str:
  inner = f'{drawn}<circle class="hit" r="9"/>'
  place = f'transform="translate({x:.1f} {y:.1f})"'
  text = f'aria-label="{escape(point.text)}"'
  if point.link:
    return f'<a class="pt" href="#{point.link}" {place} {text}>{inner}</a>'
  return f'<g class="pt" role="img" tabindex="0" {place} {text}>{inner}</g>'
