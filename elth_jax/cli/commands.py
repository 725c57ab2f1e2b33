"""All commands by their words, and the parser of the whole."""

import argparse
import dataclasses
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

from elth_jax._version import __version__
from elth_jax.names import unknown
from elth_jax.process.signals import StopRequest

DESCRIPTION = """\
Elastic lottery tickets: finds a winning ticket in one network, and stretches
or squeezes it to others of the same family."""
EPILOG = """\
`elth-jax COMMAND --help` says what a command takes; that of `run` names every
field of a config. To begin: elth-jax run --config=digits --workdir=runs/digits
"""


@dataclasses.dataclass(frozen=True)
class Command:
  """One word of the command line.

  Attributes:
    module: has `parser()`, and `main(arguments)`, which returns the exit code.
    meaning: in a few words, for `--help`.
    stops_itself: whether it handles Ctrl-C in its own way.
  """

  module: str
  meaning: str
  stops_itself: bool = False

  def load(self) -> Any:
    """The module; light until it has something to do."""
    return importlib.import_module(self.module)


COMMANDS = {
  'configs': Command('elth_jax.cli.configs', 'list the studies that ship'),
  'doctor': Command('elth_jax.doctor', "verify a study's folder"),
  'watch': Command(
    'elth_jax.cli.watch', 'show how far a study is, from its folder', True
  ),
  'explain': Command(
    'elth_jax.cli.explain', 'say what a transfer between two networks does'
  ),
  'transform': Command(
    'elth_jax.cli.transform', 'stretch or squeeze a ticket, as a file'
  ),
  'prepare': Command('elth_jax.prepare', 'prepare a real data set', True),
  'fetch': Command(
    'elth_jax.cli.fetch', 'copy a study on an object store to a folder'
  ),
  'publish': Command(
    'elth_jax.cli.publish', "write a run's ticket and network for others"
  ),
  'reproduce': Command(
    'elth_jax.reproduction', 'write the page of what was reproduced'
  ),
  'completion': Command(
    'elth_jax.cli.completion', 'print a script by which a shell completes'
  ),
}


def parser() -> argparse.ArgumentParser:
  """The parser of all commands, for help and for completion."""
  from elth_jax.runner import usage

  made = argparse.ArgumentParser(
    prog='elth-jax',
    description=DESCRIPTION,
    epilog=EPILOG,
    formatter_class=argparse.RawDescriptionHelpFormatter,
  )
  made.add_argument('--version', action='version', version=version())
  words = made.add_subparsers(dest='command', metavar='COMMAND')
  parts = {'run': ('run a study', usage.parser())}
  parts |= {
    word: (command.meaning, command.load().parser())
    for word, command in COMMANDS.items()
  }
  for word, (meaning, part) in parts.items():
    words.add_parser(
      word,
      parents=[part],
      add_help=False,
      help=meaning,
      description=part.description,
      formatter_class=part.formatter_class,
    )
  return made


def version() -> str:
  """The name and version, as `--version` prints them."""
  return f'elth-jax {__version__}'


def run_command(arguments: Sequence[str]) -> int:
  """Does what the words say; the exit code."""
  if '_ARGCOMPLETE' in os.environ:
    from elth_jax.cli.completion import complete

    complete(parser())
  word, *rest = arguments or ['--help']
  if word not in COMMANDS:
    return _other(word)
  command = COMMANDS[word]
  if not command.stops_itself:
    StopRequest('stopped')
  try:
    code = command.load().main(rest)
    sys.stdout.flush()
    return code
  except BrokenPipeError:  # as in `elth-jax configs | head`
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1


def _other(word: str) -> int:
  """What is no command: an option of the whole, or a mistake."""
  if word == '--version':
    print(version())
    return 0
  whole = parser()
  if word in ('-h', '--help'):
    whole.print_help()
    return 0
  if word.startswith('-'):
    why = f'{word} goes with a command; write: elth-jax run {word} ...'
  else:
    why = unknown('command', word, ['run', *COMMANDS])
  print(f'elth_jax: {why}', file=sys.stderr)
  return 1
