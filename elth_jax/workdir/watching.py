"""How far a study is, as its files say; writes nothing.

So it can be asked from any process or machine that sees the folder.
"""

import calendar
import contextlib
import dataclasses
import json
import math
import platform
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from elth_jax.process import devices
from elth_jax.study import data
from elth_jax.study.graph import build
from elth_jax.study.known_names import check_names
from elth_jax.study.nodes import Node, Run
from elth_jax.study.spec import StudySpec
from elth_jax.workdir import history, outputs
from elth_jax.workdir.leases import FOLDER
from elth_jax.workdir.lock import OWNER, is_busy
from elth_jax.workdir.owners import Owner, is_gone
from elth_jax.workdir.store import Store

NEEDED = {'node', 'step', 'time', 'loss', 'train_accuracy'}  # in a line
# the second where several processes work, each with files of its own
METRICS = ('metrics.jsonl', 'metrics/*.jsonl')


@dataclasses.dataclass(frozen=True)
class Training:
  """A run that is not finished, as its last line of metrics.jsonl says.

  Attributes:
    name: of the run.
    step: that it has reached.
    stop: the step at which it ends; `None` if that is unknown.
    accuracy: on training images, 0 to 1.
    loss: on training images.
    age: seconds since that line was written.
  """

  name: str
  step: int
  stop: int | None
  accuracy: float
  loss: float
  age: float


@dataclasses.dataclass(frozen=True)
class Status:
  """How far a study is.

  Attributes:
    runs: training runs in all; `None` if that is unknown here.
    finished: how many are done.
    closed: whether the study is done, report and all.
    failed: name of a run -> why it failed; known once the study is done.
    training: runs that were at work when the last lines were written.
    seconds_left: at the pace of this start; `None` if that is unknown.
    owner: process and host that work in the folder, as far as can be known
      from here; empty if none.
    killed: process and host that worked there and are gone; likewise.
    note: why totals are unknown; empty if they are not.
  """

  runs: int | None
  finished: int
  closed: bool
  failed: Mapping[str, str]
  training: tuple[Training, ...]
  seconds_left: float | None
  owner: str
  killed: str
  note: str


class Watcher:
  """Reads a workdir again and again; each time only what is new.

  Args:
    root: the workdir.

  Raises:
    FileNotFoundError: if it holds no study.
  """

  def __init__(self, root: Path):
    if not (root / outputs.CONFIG).is_file():
      raise FileNotFoundError(f'{root} holds no study: no {outputs.CONFIG}')
    self.root = root
    self.store = Store(root, writable=False)
    self.nodes: dict[str, Node] = {}
    self.note = ''
    try:
      self.nodes = _planned(root)
    except (ValueError, TypeError, OSError, devices.DeviceError) as error:
      self.note = f'how much is left is unknown here: {error}'
    self.runs = [node for node in self.nodes.values() if isinstance(node, Run)]
    self._read: dict[Path, int] = {}
    self._lines: dict[str, dict[str, Any]] = {}
    self._work, self._began = 0.0, math.inf

  def status(self) -> Status:
    """What the files say now."""
    self._read_metrics()
    done = self._finished()
    seal = outputs.inspect(self.root)
    now = time.time()
    owner, killed = _owners(self.root)
    training = tuple(
      self._training(name, line, now)
      for name, line in self._lines.items()
      if name not in done
    )
    return Status(
      runs=len(self.runs) if self.nodes else None,
      finished=len(done),
      closed=seal.closed,
      failed=seal.failed,
      training=_latest(training),
      seconds_left=self._seconds_left(done),
      owner=owner,
      killed=killed,
      note=self.note,
    )

  def _finished(self) -> set[str]:
    if self.nodes:
      return {n.name for n in self.runs if self.store.product(n).exists()}
    return {path.name for path in self.root.glob('runs/[!.]*')}

  def _read_metrics(self) -> None:
    """Reads the lines that were added since the last time."""
    start = self._start()
    for pattern in METRICS:
      for path in sorted(self.root.glob(pattern)):
        with contextlib.suppress(FileNotFoundError):  # it was moved meanwhile
          self._read_file(path, start)

  def _read_file(self, path: Path, start: float) -> None:
    begin = self._read.get(path, 0)
    size = path.stat().st_size
    if size < begin:  # a new start has dropped lines
      begin = 0
    with path.open('rb') as file:
      file.seek(begin)
      for line in file:
        if not line.endswith(b'\n'):  # it is being written
          break
        begin += len(line)
        self._note(_parsed(line), start)
    self._read[path] = begin

  def _note(self, line: dict[str, Any], start: float) -> None:
    """Takes a line in, and counts the work that it tells of."""
    before = self._lines.get(line.get('node', ''))
    if not line or (before and before['time'] >= line['time']):
      return  # damaged, or seen in another place
    name = line['node']
    self._lines[name] = line
    node = self.nodes.get(name)
    if line['time'] >= start and isinstance(node, Run):
      self._began = min(self._began, line['time'] - line.get('seconds', 0.0))
      first = before['step'] if before else node.start
      steps = max(line['step'] - first, 0)
      self._work += steps * _work_per_step(node)

  def _start(self) -> float:
    """When the study was last started, in seconds since 1970."""
    whole = [one for one in history.starts(self.root / history.NAME) if one]
    if not whole:
      return 0.0
    return _seconds_of(whole[-1]['time'])

  def _training(
    self, name: str, line: Mapping[str, Any], now: float
  ) -> Training:
    node = self.nodes.get(name)
    return Training(
      name,
      line['step'],
      node.stop if isinstance(node, Run) else None,
      line['train_accuracy'],
      line['loss'],
      max(now - line['time'], 0.0),
    )

  def _seconds_left(self, done: set[str]) -> float | None:
    """Work left at the pace of this start, or `None` if it is unknown."""
    if not self._work or not self._lines:
      return None
    left = 0.0
    for node in self.runs:
      if node.name not in done:
        line = self._lines.get(node.name)
        step = line['step'] if line else node.start
        left += max(node.stop - step, 0) * _work_per_step(node)
    newest = max(line['time'] for line in self._lines.values())
    return left * max(newest - self._began, 0.0) / self._work


def _planned(root: Path) -> dict[str, Node]:
  """The study's graph, from its config; no data is read."""
  spec = StudySpec.from_config(json.loads((root / outputs.CONFIG).read_bytes()))
  devices.require()  # networks are traced to know their nodes
  check_names(spec)
  return build(spec, data.outline(spec))


def _work_per_step(node: Run) -> float:
  return float(sum(node.architecture.multiply_adds().values()))


def _latest(training: tuple[Training, ...]) -> tuple[Training, ...]:
  """The runs of the batch that is at work: those of the newest lines."""
  if not training:
    return ()
  newest = min(one.age for one in training)
  return tuple(one for one in training if one.age - newest < 1.0)


def _parsed(line: bytes) -> dict[str, Any]:
  """A line of metrics.jsonl; empty if it is damaged."""
  try:
    found = json.loads(line)
    return found if found.keys() >= NEEDED else {}
  except (ValueError, AttributeError):
    return {}


def _seconds_of(text: str) -> float:
  """Seconds since 1970 of a time such as 2026-01-31T12:00:00Z."""
  return calendar.timegm(time.strptime(text, '%Y-%m-%dT%H:%M:%SZ'))


def _owners(root: Path) -> tuple[str, str]:
  """Who works in a folder, and who did and is gone; empty if nobody."""
  alive, gone = [], []
  alone = _alone(root / OWNER)
  if alone:
    here = alone.endswith(f' on {platform.node()}')
    (gone if here and not is_busy(root) else alive).append(alone)
  for path in root.glob(f'{FOLDER}/owners/[!.]*.json'):
    with contextlib.suppress(FileNotFoundError):  # it left just now
      if owner := Owner.parse(path.read_bytes()):
        (gone if is_gone(owner) else alive).append(str(owner))
  return ' and '.join(alive), '' if alive else ' and '.join(gone)


def _alone(path: Path) -> str:
  """The process that has a folder to itself; empty if there is none."""
  try:
    found = json.loads(path.read_bytes())
    return f'process {found["pid"]} on {found["host"]}'
  except (OSError, ValueError, LookupError, TypeError):
    return ''
