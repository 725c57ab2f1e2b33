"""Text for people: counts in words, and printing on whatever terminal."""

import sys
from typing import IO

# of signs that this package prints, or that titles are likely to have
ASCII = {'±': '+-', '→': '->', '…': '...', '—': '-'}


def say(text: str, file: IO[str] | None = None) -> None:
  """Prints a line, to stdout by default, whatever the encoding there is."""
  stream = file or sys.stdout
  if stream is not None:  # a program without a console has none
    print(printable(text, stream), file=stream)


def printable(text: str, stream: IO[str] | None = None) -> str:
  """The text with what a stream cannot encode replaced.

  What has a readable form in ASCII takes it, as `±` becomes `+-`. All else is
  escaped by a backslash: `é` becomes `\\xe9`.

  Args:
    text: what is to be printed.
    stream: where; by default stdout.
  """
  encoding = getattr(stream or sys.stdout, 'encoding', None) or 'utf-8'
  return ''.join(
    char if char.isascii() else _encodable(char, encoding) for char in text
  )


def _encodable(char: str, encoding: str) -> str:
  try:
    char.encode(encoding)
    return char
  except UnicodeEncodeError:
    escaped = char.encode('ascii', 'backslashreplace').decode()
    return ASCII.get(char, escaped)


def counted(number: int, noun: str) -> str:
  """A number and its noun: `1 run`, `3 runs`."""
  return f'{number} {noun}' + ('' if number == 1 else 's')
