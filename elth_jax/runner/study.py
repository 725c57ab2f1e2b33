"""A study as a value: what it found, and the tickets that it made."""

import html
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from elth_jax.names import unknown
from elth_jax.process.text import counted
from elth_jax.report.evidence import read_rows
from elth_jax.report.summary import to_text
from elth_jax.runner.work import diverged
from elth_jax.storage.files import local_path
from elth_jax.storage.manifest import DamagedError
from elth_jax.tickets.ticket import Ticket
from elth_jax.workdir import outputs
from elth_jax.workdir.fetching import fetch
from elth_jax.workdir.trained import read_trained, ticket_path, trained_ticket

# columns that `read_rows` leaves as text; the report prints them as they are
_MORE_NUMBERS = {
  'steps': int,
  'test_loss': float,
  'seed': int,
  'diverged_at': int,
}


def _number(name: str, value: Any) -> Any:
  """A cell's value; `None` or NaN for a number that is not there."""
  kind = _MORE_NUMBERS.get(name)
  if kind is None or value != '':
    return kind(value) if kind else value
  return math.nan if kind is float else None


class Study:
  """One study in its workdir; of one that goes on, what is there so far.

  Args:
    root: the workdir.
    failed: name of a node -> why it failed.

  Attributes:
    root: the workdir.
    failed: name of a node -> why it failed, as its last start left it.
  """

  def __init__(self, root: Path, failed: Mapping[str, str]):
    self.root = root
    self.failed = dict(failed)

  @classmethod
  def open(cls, workdir: Path | str) -> 'Study':
    """The study in a workdir.

    Raises:
      FileNotFoundError: if there is none.
      ValueError: if it is not finished, and its results.csv is damaged.
    """
    root = local_path(workdir, 'workdir')
    if not (root / outputs.CONFIG).is_file():
      raise FileNotFoundError(f'{root} holds no study: no {outputs.CONFIG}')
    earlier = outputs.inspect(root)
    study = cls(root, earlier.failed)
    if not earlier.closed and (root / 'results.csv').is_file():
      for row in study.results:
        if row['diverged_at'] is not None:
          study.failed[row['node']] = diverged(row['diverged_at'])
    return study

  @classmethod
  def fetch(cls, url: str, folder: Path | str) -> 'Study':
    """The study on an object store, copied to a folder, or what is new of it.

    Takes what `workdir.fetching.fetch` takes, and raises what it raises.

    Raises:
      DamagedError: if a ticket or run cannot be used there; all others are
        in the folder.
    """
    found = fetch(url, folder)
    if found.damaged:
      raise DamagedError(found.root, 'is not whole: ' + found.damaged[0])
    return cls.open(found.root)

  @property
  def results(self) -> list[dict[str, Any]]:
    """The rows of results.csv: a dict a trained network, numbers as numbers.

    A run that diverged has the step at which it did as `diverged_at`, and NaN
    as its accuracy and loss; that of others is `None`.

    Raises:
      FileNotFoundError: if no training has finished yet.
      ValueError: naming the file, if it is damaged.
    """
    rows = read_rows(self.root / 'results.csv')
    return [
      {name: _number(name, value) for name, value in row.items()}
      for row in rows
    ]

  def to_pandas(self) -> Any:
    """`results` as a `pandas.DataFrame`.

    Raises:
      ImportError: if pandas is not installed.
    """
    try:
      import pandas  # pyrefly: ignore
    except ImportError as error:
      raise ImportError('to_pandas needs pandas: pip install pandas') from error
    return pandas.DataFrame(self.results)

  @property
  def tickets(self) -> list[str]:
    """The names that `ticket` takes, sorted."""
    return sorted(path.stem for path in self.root.glob('tickets/[!.]*'))

  @property
  def runs(self) -> list[str]:
    """The names that `trained` takes, as in the column `node` of `results`."""
    found = self.root.glob('runs/[!.]*/trained.safetensors')
    return sorted(path.parent.name for path in found)

  def ticket(self, name: str) -> Ticket:
    """The rewound ticket that a run trained, or that is kept as `name`.

    Args:
      name: of the run, as in the column `node` of `results`, or of `tickets`.

    Raises:
      KeyError: if there is none; names the nearest.
      ValueError: naming the file, if it is damaged.
    """
    if name in self.runs:
      try:
        name = trained_ticket(self.root, name)
      except DamagedError as error:
        raise ValueError(str(error)) from error
    path = ticket_path(self.root, name)
    if not path.is_file():
      raise KeyError(unknown('ticket', name, self.tickets))
    return Ticket.load(path)

  def trained(self, name: str) -> Ticket:
    """The network at the end of a training run, a ticket of state `trained`.

    Args:
      name: of the run, as in the column `node` of `results`.

    Raises:
      KeyError: if there is none; names the nearest.
      ValueError: naming the file, if it is damaged.
    """
    if name not in self.runs:
      raise KeyError(unknown('run', name, self.runs))
    try:
      return read_trained(self.root, name)
    except DamagedError as error:
      raise ValueError(str(error)) from error

  def __bool__(self) -> bool:
    """Whether no run failed."""
    return not self.failed

  def __repr__(self) -> str:
    failed = f', {len(self.failed)} failed' if self.failed else ''
    runs = counted(len(self.runs), 'trained network')
    return f'Study({self.root}: {runs}{failed})'

  def _repr_html_(self) -> str:
    """What a notebook shows: the means that the command line prints."""
    if not (self.root / 'results.csv').is_file():
      return f'<p>{html.escape(repr(self))}</p>'
    done = [row for row in self.results if row['diverged_at'] is None]
    lost = [row for row in self.results if row['diverged_at'] is not None]
    text = to_text(done, str, lost)
    return f'<p>{html.escape(repr(self))}</p><pre>{html.escape(text)}</pre>'
