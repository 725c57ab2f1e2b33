"""The one way in which an unknown name is refused."""

import difflib
from collections.abc import Iterable


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
  """What to say of a name that is not there: the nearest, and all known."""
  names = sorted(known)
  nearest = difflib.get_close_matches(name, names, n=1)
  hint = f'did you mean {nearest[0]!r}? ' if nearest else ''
  return f'unknown {kind} {name!r}; {hint}known: {", ".join(names)}'
