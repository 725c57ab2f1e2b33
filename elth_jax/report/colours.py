"""Colours that can be seen on light and on dark pages."""

LIGHT, DARK = '#FFFFFF', '#15181C'  # backgrounds of a page
GRAPHICS = 3.0  # WCAG 2.2, 1.4.11: contrast of lines and marks


def channels(colour: str) -> tuple[int, int, int]:
  """`#RRGGBB` as numbers from 0 to 255."""
  red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
  return red, green, blue


def mixed(colour: str, other: str, share: float) -> str:
  """A colour with a share of another, 0 to 1."""
  pairs = zip(channels(colour), channels(other), strict=True)
  parts = [round((1 - share) * one + share * two) for one, two in pairs]
  return '#' + ''.join(f'{part:02X}' for part in parts)


def luminance(colour: str) -> float:
  """Relative luminance, 0 to 1.

  References:
    WCAG 2.2, definition of relative luminance.
  """
  linear = [
    part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
    for part in (channel / 255 for channel in channels(colour))
  ]
  return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
  """Contrast ratio, 1 to 21."""
  low, high = sorted((luminance(one), luminance(other)))
  return (high + 0.05) / (low + 0.05)


def readable(colour: str, background: str, least: float = GRAPHICS) -> str:
  """The colour, moved towards black or white until its contrast is enough."""
  end = '#FFFFFF' if luminance(background) < 0.18 else '#000000'
  steps = (mixed(colour, end, number / 50) for number in range(51))
  return next(one for one in steps if contrast(one, background) >= least)


def on_dark(colour: str) -> str:
  """The colour on a dark page; greys change places, black becomes white."""
  parts = channels(colour)
  if max(parts) - min(parts) < 16:
    colour = '#' + ''.join(f'{255 - part:02X}' for part in parts)
  return readable(colour, DARK, 4.5)
