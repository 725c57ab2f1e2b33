"""Lists the configs that come with the package; --config takes their names.

elth-jax configs           # all of them, a line each
elth-jax configs digits    # one: what it does, its command, what to expect
"""

import argparse
import ast
import sys
from pathlib import Path

from elth_jax.study.shipped import find_shipped, shipped_names


def parser() -> argparse.ArgumentParser:
  """What the command takes."""
  made = argparse.ArgumentParser(
    prog='elth-jax configs',
    description=__doc__,
    formatter_class=argparse.RawDescriptionHelpFormatter,
  )
  made.add_argument('name', nargs='?', help='of one, to say more of it')
  return made


def main(arguments: list[str] | None = None) -> int:
  name = parser().parse_args(arguments).name
  if name is None:
    names = shipped_names()
    wide = max(map(len, names))
    for one in names:
      print(f'{one:<{wide}}  {_about(find_shipped(one)).splitlines()[0]}')
    return 0
  try:
    path = find_shipped(name)
  except ValueError as error:
    print(f'elth_jax: {error}', file=sys.stderr)
    return 1
  print(f'{_about(path)}\n\n{path}')
  return 0


def _about(path: Path) -> str:
  """A config's docstring; the file is not executed."""
  return ast.get_docstring(ast.parse(path.read_text('utf-8'))) or ''
