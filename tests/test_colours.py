"""Lines of one figure can be told apart, by colour-blind readers too."""

import itertools

import numpy as np
import pytest

from elth_jax.methods import METHODS
from elth_jax.methods.styles import SPARE
from elth_jax.report.colours import DARK, LIGHT, contrast, on_dark, readable
from elth_jax.report.styles import DENSE
from elth_jax.report.svg import mark

APART = 10.0  # CIEDE2000
# Machado, Oliveira and Fernandes 2009, severity 1, in linear RGB
SIGHT = {
  'usual': np.eye(3),
  'protanopia': [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  'deuteranopia': [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.011820, 0.042940, 0.968881],
  ],
  'tritanopia': [
    [1.255528, -0.076749, -0.178779],
    [-0.078411, 0.930809, 0.147602],
    [0.004733, 0.691367, 0.303900],
  ],
}
TO_XYZ = np.array(
  [
    [0.4124564, 0.3575761, 0.1804375],
    [0.2126729, 0.7151522, 0.0721750],
    [0.0193339, 0.1191920, 0.9503041],
  ]
)
D65 = np.array([0.95047, 1.0, 1.08883])
# small, these markers look the same; all others are shapes of their own
ALIKE = {**dict.fromkeys('o8hHp', 'round'), 'd': 'D'}
STYLES = [
  *(style for method in METHODS.values() for style in method.styles),
  *SPARE,
]


def lab(colour, sight):
  parts = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
  linear = np.where(
    parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4
  )
  seen = np.clip(np.array(SIGHT[sight]) @ linear, 0, 1)
  xyz = TO_XYZ @ seen / D65
  x, y, z = np.where(
    xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116
  )
  return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def ciede2000(one, other):
  """Sharma, Wu and Dalal 2005, The CIEDE2000 color-difference formula."""
  (l1, a1, b1), (l2, a2, b2) = one, other
  mean_c = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
  g = 0.5 * (1 - np.sqrt(mean_c**7 / (mean_c**7 + 25**7)))
  a1, a2 = a1 * (1 + g), a2 * (1 + g)
  c1, c2 = np.hypot(a1, b1), np.hypot(a2, b2)
  h1, h2 = (np.degrees(np.arctan2(b, a)) % 360 for a, b in ((a1, b1), (a2, b2)))
  turn = (h2 - h1 + 180) % 360 - 180 if c1 * c2 else 0.0
  dl, dc = l2 - l1, c2 - c1
  dh = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn) / 2)
  ml, mc = (l1 + l2) / 2, (c1 + c2) / 2
  mh = (h1 + turn / 2) % 360 if c1 * c2 else h1 + h2
  t = (
    1
    - 0.17 * np.cos(np.radians(mh - 30))
    + 0.24 * np.cos(np.radians(2 * mh))
    + 0.32 * np.cos(np.radians(3 * mh + 6))
    - 0.20 * np.cos(np.radians(4 * mh - 63))
  )
  sl = 1 + 0.015 * (ml - 50) ** 2 / np.sqrt(20 + (ml - 50) ** 2)
  sc, sh = 1 + 0.045 * mc, 1 + 0.015 * mc * t
  rotation = -2 * np.sqrt(mc**7 / (mc**7 + 25**7))
  rotation *= np.sin(np.radians(60 * np.exp(-(((mh - 275) / 25) ** 2))))
  parts = dl / sl, dc / sc, dh / sh
  return float(
    np.sqrt(sum(p**2 for p in parts) + rotation * parts[1] * parts[2])
  )


@pytest.mark.parametrize(
  ('one', 'other', 'distance'),  # of Sharma's test data: pairs 1, 7, 17, 25
  [
    ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
    ((50, 0, 0), (50, -1, 2), 2.3669),
    ((50, 2.5, 0), (73, 25, -18), 27.1492),
    ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
  ],
)
def test_distances_are_those_of_the_published_data(one, other, distance):
  assert ciede2000(one, other) == pytest.approx(distance, abs=1e-4)


@pytest.mark.parametrize('page', ['light', 'dark'])
@pytest.mark.parametrize('sight', SIGHT)
def test_any_two_lines_differ_by_colour_or_marker(sight, page):
  drawn = [
    (on_dark(colour) if page == 'dark' else colour, ALIKE.get(marker, marker))
    for colour, marker in STYLES
  ]
  near = [
    (one, other)
    for one, other in itertools.combinations(drawn, 2)
    if one[1] == other[1]
    and ciede2000(lab(one[0], sight), lab(other[0], sight)) < APART
  ]
  assert len(drawn) > 40 and not near


def test_lines_and_marks_can_be_seen_on_their_page():
  colours = [colour for colour, _ in [*STYLES, DENSE]]
  assert min(contrast(colour, LIGHT) for colour in colours) >= 3
  assert min(contrast(on_dark(colour), DARK) for colour in colours) >= 4.5
  assert contrast('#000000', LIGHT) == pytest.approx(21)
  assert readable('#FFFF00', LIGHT, 4.5) < '#FFFF00'
  assert on_dark('#000000') == '#FFFFFF'  # IMP's line


@pytest.mark.parametrize('marker', sorted({marker for _, marker in STYLES}))
def test_markers_of_the_page_are_those_of_the_files(marker):
  path, filled = mark(marker)
  assert path.startswith('M') and 'nan' not in path
  assert filled == (marker not in 'x1234')
