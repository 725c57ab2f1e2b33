"""Names: of networks, of files, and how an unknown one is refused."""

import dataclasses
import difflib
import re
from collections.abc import Iterable

_NETWORK = re.compile(r'([a-z_]+)(\d{1,4}(?:-\d{1,4})*)')


@dataclasses.dataclass(frozen=True)
class NetworkName:
  """A network's name in parts: `vgg13-3` is of `vgg`, with (13, 3).

  Attributes:
    stem: the family's name.
    numbers: how deep the network is; most families have one number.
  """

  stem: str
  numbers: tuple[int, ...]

  @classmethod
  def parse(cls, text: str) -> 'NetworkName':
    """Reads a name.

    Raises:
      ValueError: if it is not a family's name with numbers after it.
    """
    if name := cls.find(text):
      return name
    raise ValueError(
      f'network {text!r}: write the name of a family and its depth, e.g. '
      'resnet20'
    )

  @classmethod
  def find(cls, text: str) -> 'NetworkName | None':
    """The parts of a text, or `None` if it is no network's name."""
    found = _NETWORK.fullmatch(text)
    if found is None:
      return None
    return cls(found[1], tuple(map(int, found[2].split('-'))))

  def __str__(self) -> str:
    return f'{self.stem}{"-".join(map(str, self.numbers))}'


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
  """What to say of a name that is not there: the nearest, and all known."""
  names = sorted(known)
  nearest = difflib.get_close_matches(name, names, n=1)
  hint = f'did you mean {nearest[0]!r}? ' if nearest else ''
  return f'unknown {kind} {name!r}; {hint}known: {", ".join(names)}'


def slug(text: str) -> str:
  """The text in letters, digits and hyphens, fit for a file name."""
  return re.sub(r'[^a-z0-9]+', '-', text.lower()).strip('-')
