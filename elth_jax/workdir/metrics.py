"""What training runs log: metrics.jsonl, a line for each dispatch of each run.

Where processes share a workdir, each run logs to a file of its own,
`metrics/<node>.<number>.jsonl`. Numbers grow with leases, so that one process
alone writes a file; it begins with the lines of earlier ones that still hold.
The last ones are joined at the end.
"""

import contextlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from elth_jax.storage.files import sync, utf8, write_atomically, writing

FOLDER = 'metrics'


class Metrics:
  """The log of one workdir.

  Args:
    root: the workdir.

  Attributes:
    listener: told each line that this process adds.
  """

  def __init__(self, root: Path):
    self.path = root / 'metrics.jsonl'
    self.folder = root / FOLDER
    self.listener: Callable[[Mapping[str, Any]], None] = lambda line: None
    self._own: dict[str, Path] = {}  # of runs that have a file of their own

  def log(self, **values: Any) -> None:
    """Adds one line, of the run `node`."""
    path = self._place(values['node'])
    path.parent.mkdir(exist_ok=True)
    with writing(path), path.open('ab') as file:
      file.write(utf8(json.dumps(values) + '\n'))
    self.listener(values)

  def sync(self, nodes: Iterable[str]) -> None:
    """Makes lines of runs durable, as checkpoints that follow will be."""
    for path in {self._place(node) for node in nodes}:
      if path.is_file():
        sync(path)

  def trim(self, steps: Mapping[str, int]) -> None:
    """Drops lines of steps that are done again, and a line cut short.

    Args:
      steps: for each run that goes on, the step from which it does.
    """
    if not self.path.is_file():
      return
    kept, dropped = [], False
    with self.path.open('rb') as file:
      for line in file:
        if _is_kept(line, steps):
          kept.append(line)
        else:
          dropped = True
    if dropped:
      write_atomically(self.path, b''.join(kept))

  def begin_own(self, node: str, number: int, step: int) -> None:
    """Lets a run log to a file of its own.

    Args:
      node: its name.
      number: of the lease under which it is trained. It begins at 0 again
        once a lease is given up, and a file's does not.
      step: from which it goes on; earlier lines are kept.
    """
    last = self._latest().get(node)
    kept = [line for line in _lines(last) if _is_kept(line, {node: step})]
    if last:
      number = max(number, _number(last) + 1)
    self._own[node] = self.folder / f'{node}.{number}.jsonl'
    write_atomically(self._own[node], b''.join(kept))

  def has_parts(self) -> bool:
    """Whether runs have files of their own."""
    return self.folder.is_dir()

  def join(self) -> None:
    """Moves the lines of all runs' own files to metrics.jsonl, by their time.

    Nobody else may write to the workdir meanwhile.
    """
    latest = self._latest()
    if not self.folder.is_dir():
      return
    lines = [line for path in latest.values() for line in _lines(path)]
    times = {line: _time(line) for line in lines}
    good = {line: time for line, time in times.items() if time is not None}
    # without those of before, so that joining again changes nothing
    before = [line for line in _lines(self.path) if line not in good]
    joined = [*before, *sorted(good, key=lambda line: good[line])]
    write_atomically(self.path, b''.join(joined))
    shutil.rmtree(self.folder)
    self._own.clear()

  def seconds(self) -> dict[str, float]:
    """How long the machine trained each run; see `machine_seconds`."""
    return machine_seconds(self.path)

  def follow(self) -> Callable[[], Iterator[dict[str, Any]]]:
    """A function that yields what other processes logged since the last call.

    The lines are those of runs with a file of their own, from now on.
    """
    read = {path: path.stat().st_size for path in self._latest().values()}

    def news() -> Iterator[dict[str, Any]]:
      for path in self._latest().values():
        if path in self._own.values():
          continue
        with contextlib.suppress(FileNotFoundError), path.open('rb') as file:
          file.seek(read.get(path, 0))
          for line in file:
            if line.endswith(b'\n'):
              read[path] = read.get(path, 0) + len(line)
              with contextlib.suppress(ValueError):
                yield json.loads(line)

    return news

  def _place(self, node: str) -> Path:
    return self._own.get(node, self.path)

  def _latest(self) -> dict[str, Path]:
    """Run -> its own file of the highest number."""
    found: dict[str, Path] = {}
    for path in sorted(self.folder.glob('[!.]*.jsonl')):
      node, _, number = path.stem.rpartition('.')
      if number.isdecimal():
        found[node] = max(found.get(node, path), path, key=_number)
    return dict(sorted(found.items()))


def _number(path: Path) -> int:
  """Of a run's own file."""
  return int(path.stem.rpartition('.')[2])


def machine_seconds(log: Path) -> dict[str, float]:
  """How long the machine trained each run, from a study's metrics.jsonl.

  Tickets that are trained side by side share the time. Runs that were copied
  from another workdir are not known.
  """
  found: dict[str, float] = {}
  for line in _lines(log):
    with contextlib.suppress(ValueError, LookupError, TypeError):
      values = json.loads(line)
      share = values['seconds'] / values['tickets']
      found[values['node']] = found.get(values['node'], 0.0) + share
  return found


def _lines(path: Path | None) -> list[bytes]:
  """The lines of a file that may be there."""
  if path is None or not path.is_file():
    return []
  return path.read_bytes().splitlines(keepends=True)


def _is_kept(line: bytes, steps: Mapping[str, int]) -> bool:
  try:
    values = json.loads(line)
    return values['step'] <= steps.get(values['node'], values['step'])
  except (ValueError, LookupError, TypeError):
    return False


def _time(line: bytes) -> float | None:
  """When a line was written; `None` if it was cut short."""
  try:
    return float(json.loads(line)['time'])
  except (ValueError, LookupError, TypeError):
    return None
