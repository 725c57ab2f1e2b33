"""Names: how an unknown one is refused, and how text becomes a file name."""

import difflib
import re
from collections.abc import Iterable


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
  """What to say of a name that is not there: the nearest, and all known."""
  names = sorted(known)
  nearest = difflib.get_close_matches(name, names, n=1)
  hint = f'did you mean {nearest[0]!r}? ' if nearest else ''
  return f'unknown {kind} {name!r}; {hint}known: {", ".join(names)}'


def slug(text: str) -> str:
  """The text in letters, digits and hyphens, fit for a file name."""
  return re.sub(r'[^a-z0-9]+', '-', text.lower()).strip('-')
