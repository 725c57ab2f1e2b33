"""Colours and markers of methods that bring none of their own."""

from collections.abc import Collection

Style = tuple[str, str]  # colour as #RRGGBB, matplotlib's marker

# apart from the styles of this library's own methods
SPARE: tuple[Style, ...] = (
  ('#6A3D9A', '>'),
  ('#33A02C', '3'),
  ('#1F78B4', 's'),
  ('#E31A1C', '4'),
  ('#A50026', 'v'),
  ('#40004B', '<'),
  ('#00441B', '^'),
  ('#C51B7D', 'x'),
  ('#3690C0', '1'),
  ('#993404', 'X'),
)


def spare(taken: Collection[Style]) -> Style:
  """The first style that is not taken; where all are, one of them again."""
  free = [style for style in SPARE if style not in taken]
  return free[0] if free else SPARE[len(taken) % len(SPARE)]
