"""Shows how far a study is, from its folder, and writes nothing there.

  elth-jax watch runs/digits           # until it is done, or Ctrl-C
  elth-jax watch runs/digits --once    # one look

The study may run in another process, or on another machine that shares the
folder. Where output is no terminal, it is one look.
"""

import argparse
import datetime
import os
import sys
import time
from typing import Any

from elth_jax.study import config_option

OLD = 600.0  # seconds without a sign of life that are worth a word


def parser() -> argparse.ArgumentParser:
  """What the command takes."""
  made = argparse.ArgumentParser(
    prog='elth-jax watch',
    description=__doc__,
    formatter_class=argparse.RawDescriptionHelpFormatter,
  )
  made.add_argument('workdir', help='folder of a study')
  made.add_argument('--once', action='store_true', help='look once, and end')
  made.add_argument(
    '--every', type=_seconds, default=2.0, help='seconds between looks; 2'
  )
  config_option.add_option(made)
  return made


def _seconds(text: str) -> float:
  try:
    value = float(text)
  except ValueError:
    raise argparse.ArgumentTypeError(f'{text} is no number') from None
  if not 0.1 <= value <= 86400:
    raise argparse.ArgumentTypeError(f'{text} is not from 0.1 to 86400 seconds')
  return value


def main(arguments: list[str] | None = None) -> int:
  given = parser().parse_args(arguments)
  os.environ.setdefault('JAX_PLATFORMS', 'cpu')  # a GPU is the study's
  try:
    config_option.register_from(given.config)
    return _watch(given)
  except BrokenPipeError:
    raise  # `commands` ends quietly
  except (OSError, ValueError) as error:
    print(f'elth_jax: {error}', file=sys.stderr)
    return 1
  except KeyboardInterrupt:
    return 130


def _watch(given: argparse.Namespace) -> int:
  from rich.console import Console
  from rich.live import Live

  from elth_jax.storage.files import local_path
  from elth_jax.workdir.watching import Watcher

  watcher = Watcher(local_path(given.workdir, 'workdir'))
  console = Console()
  status = watcher.status()
  if given.once or not console.is_terminal:
    _say(console, text_of(status))
    return 0
  with Live(_shown(status, console), console=console) as live:
    while not status.closed:
      time.sleep(given.every)
      status = watcher.status()
      live.update(_shown(status, console))
  return 0


def _say(console: Any, text: str) -> None:
  from elth_jax.process.text import say

  say(text, console.file)


def _shown(status: Any, console: Any) -> Any:
  """The status as lines that never wrap."""
  from rich.text import Text

  from elth_jax.process.text import printable

  text = printable(text_of(status), console.file)
  return Text(text, no_wrap=True, overflow='ellipsis')


def text_of(status: Any) -> str:
  """A `workdir.watching.Status` in words, a few lines."""
  from elth_jax.workdir.outputs import failures

  of = '' if status.runs is None else f' of {status.runs}'
  lines = [f'{status.finished}{of} runs finished{_state(status)}']
  for one in status.training if not status.closed else ():
    stop = '' if one.stop is None else f'/{one.stop}'
    lines.append(
      f'  accuracy {one.accuracy:.3f}, loss {one.loss:.3f}, step '
      f'{one.step}{stop}: {one.name}'
    )
  lines += [f'  {line}' for line in failures(status.failed)]
  if status.note:
    lines.append(f'  {status.note}')
  return '\n'.join(lines)


def _state(status: Any) -> str:
  """Who works, and how long it takes still."""
  if status.closed:
    return '; the study is done'
  if status.killed:
    return f'; {status.killed} was killed, and nobody works on it now'
  if not status.owner:
    return '; nobody works on it now'
  ages = [one.age for one in status.training]
  words = f'; {status.owner} works on it'
  if ages and min(ages) > OLD:
    quiet = datetime.timedelta(seconds=round(min(ages)))
    return f'{words}, or was killed: nothing new for {quiet}'
  if status.seconds_left is not None and ages:
    left = max(status.seconds_left - min(ages), 0.0)
    words += f', {datetime.timedelta(seconds=round(left))} left'
  return words
