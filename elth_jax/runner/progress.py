"""What a person sees while a study runs."""

import sys
import time
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from elth_jax.process.text import counted, printable
from elth_jax.runner.time_left import TimeLeft

BAR = 16  # characters
MARGIN = 4  # free at the right, for the ^C that a terminal shows
SHORTEST_NAME = 16  # characters; to keep more, the bar and details go
QUIET_SECONDS = 20.0  # between lines when nobody watches a terminal
NOTEBOOK_SECONDS = 0.5  # between changes of a notebook's line


class ProgressDisplay:
  """A live line on a terminal or in a notebook, else a line now and then.

  Time left is the work left, in FLOPs of dense training, at the pace so far.

  Args:
    runs: how many training runs the study has.
    finished: how many of them are done.
    work: what the others cost.
  """

  def __init__(self, runs: int, finished: int, work: float):
    self.runs, self.finished = runs, finished
    self.left = TimeLeft(work)
    self.last_line = time.monotonic()
    self.what = ''
    self.details: tuple[str, ...] = ()
    self.console = Console(file=sys.stderr)
    self.live = Live(
      get_renderable=self._render, console=self.console, transient=True
    )
    self.cell = NotebookLine() if self.console.is_jupyter else None

  def __enter__(self):
    if self.console.is_terminal:
      self.live.start()
    return self

  def __exit__(self, *exception):
    if self.console.is_terminal:
      self.live.stop()
    if self.cell:
      self.cell.show(f'{self.finished}/{counted(self.runs, "run")}')

  def advance(self, what: str, work: float, *details: str) -> None:
    """Notes work done, and says what is being done.

    Args:
      what: the name of what is done; it is shortened where there is no room.
      work: done since the last call.
      *details: of it; the last one stays the longest.
    """
    self.left.add(work)
    self.what, self.details = what, details
    now = time.monotonic()
    if self.console.is_terminal:
      return  # the live line looks at what was noted
    text = f'{self._head()}{", ".join([what, *details])}'
    if self.cell:
      if now - self.last_line > NOTEBOOK_SECONDS:
        self.last_line = now
        self.cell.show(text)
    elif now - self.last_line > QUIET_SECONDS:
      self.last_line = now
      self.say(text)

  def finish(self, name: str, what: str) -> None:
    """Notes one finished run."""
    self.finished += 1
    if self.console.is_terminal:
      self.say(f'{name}: {what}')

  def say(self, text: str) -> None:
    """Prints one line, above the live one if there is one."""
    self.console.print(
      printable(text, self.console.file),
      highlight=False,
      markup=False,
      soft_wrap=True,
    )

  def _head(self) -> str:
    return f'{self.finished}/{counted(self.runs, "run")}, {self.left}: '

  def _render(self) -> Table:
    """The live line, as wide as the terminal is now."""
    width = self.console.width - MARGIN
    text, bar = fitted(self._head(), self.what, self.details, width)
    line = Table.grid(padding=(0, 1, 0, 0))
    cells: list[Any] = [
      Text(printable(text, self.console.file), no_wrap=True, overflow='crop')
    ]
    if bar:
      cells.insert(0, ProgressBar(max(self.runs, 1), self.finished, width=BAR))
    line.add_row(*cells)
    return line


def fitted(
  head: str, what: str, details: Sequence[str], width: int
) -> tuple[str, bool]:
  """One line that fits, and whether a bar fits beside it.

  What there is no room for goes in this order: the middle of the name, the
  bar, details but the last, the rest of the name.

  Args:
    head: stands first.
    what: the name.
    details: the last one matters most.
    width: characters, of text and bar.
  """
  for bar, some in ((True, details), (False, details), (False, details[-1:])):
    tail = ''.join(f', {detail}' for detail in some)
    room = width - (BAR + 1) * bar - len(head) - len(tail)
    if room >= min(len(what), SHORTEST_NAME):
      return f'{head}{_shortened(what, room)}{tail}', bar
  tail = ''.join(details[-1:])
  room = max(width - len(tail), 0)
  return f'{head[:room]}{tail}'[:width], False


def _shortened(name: str, room: int) -> str:
  """A name without its middle, if it is too long: ends tell runs apart."""
  if len(name) <= room:
    return name
  begin = (room - 1) // 3
  return f'{name[:begin]}…{name[len(name) - (room - 1 - begin) :]}'


class NotebookLine:
  """One line below a notebook's cell, which changes in place."""

  def __init__(self):
    from IPython.display import display  # there where a notebook runs

    self._output: Any = display(self._text(''), raw=True, display_id=True)

  def show(self, text: str) -> None:
    """Puts a text in the place of the one before."""
    self._output.update(self._text(text), raw=True)

  def _text(self, text: str) -> dict[str, str]:
    return {'text/plain': text}
