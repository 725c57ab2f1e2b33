"""What a person sees while a study runs."""

import datetime
import sys
import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from elth_jax.process.text import counted, printable

BAR = 16  # characters
QUIET_SECONDS = 20.0  # between lines when nobody watches a terminal
NOTEBOOK_SECONDS = 0.5  # between changes of a notebook's line


class ProgressDisplay:
  """A live line on a terminal or in a notebook, else a line now and then.

  Time left is the work left, in FLOPs of dense training, at the pace so far.
  """

  def __init__(self, runs: int, finished: int, work: float):
    self.runs, self.finished = runs, finished
    self.work, self.work_done = work, 0.0
    self.began = self.last_line = time.monotonic()
    self.console = Console(file=sys.stderr)
    self.live = Progress(
      BarColumn(bar_width=BAR),
      TextColumn('{task.description}', markup=False),
      console=self.console,
      disable=not self.console.is_terminal,
      transient=True,
    )
    self.task = self.live.add_task('', total=runs, completed=finished)
    self.cell = NotebookLine() if self.console.is_jupyter else None

  def __enter__(self):
    self.live.start()
    return self

  def __exit__(self, *exception):
    self.live.stop()
    if self.cell:
      self.cell.show(f'{self.finished}/{counted(self.runs, "run")}')

  def advance(self, what: str, work: float) -> None:
    """Notes work done, and says what is being done."""
    self.work_done += work
    now = time.monotonic()
    runs = f'{self.finished}/{counted(self.runs, "run")}'
    text = f'{runs}, {self._left(now)}: {what}'
    if self.console.is_terminal:
      room = self.console.width - BAR - 2
      text = printable(text, self.console.file)
      self.live.update(self.task, description=text[:room])
    elif self.cell:
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
      self.live.update(self.task, completed=self.finished)
      self.say(f'{name}: {what}')

  def say(self, text: str) -> None:
    """Prints one line, above the live one if there is one."""
    self.console.print(
      printable(text, self.console.file),
      highlight=False,
      markup=False,
      soft_wrap=True,
    )

  def _left(self, now: float) -> str:
    if self.work_done < 0.02 * self.work:
      return 'time left unknown'
    # runs of zero steps are no work, and take no time
    rest = self.work / self.work_done - 1 if self.work_done else 0.0
    seconds = (now - self.began) * rest
    left = datetime.timedelta(seconds=max(0, round(seconds)))
    return f'{left} left'


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
