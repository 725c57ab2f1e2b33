r"""What it costs to have a study done by several processes.

  python benchmarks/cluster.py overhead
  python benchmarks/cluster.py restart
  python benchmarks/cluster.py study --config=configs/digits.py

`overhead`: a graph of 2,000 nodes of no work (20 for each of `--replicates`),
in this process and by two Dask workers. `restart`: from the SIGKILL of a worker
until its node is begun again. `study`: seconds of a whole study, and of all
processors together, locally and by one and two workers; once to compile, then
in turns, and the median of each against the local one's.
"""

import argparse
import contextlib
import dataclasses
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

from elth_jax.datasets import Dataset, Stream
from elth_jax.process import devices
from elth_jax.process.hosts import Hosts
from elth_jax.reading import as_json
from elth_jax.runner.batch import Batch, Outcome
from elth_jax.runner.layout import Layout
from elth_jax.runner.order import Order, study_hash
from elth_jax.runner.run import Runner
from elth_jax.study import data
from elth_jax.study.config import base_config
from elth_jax.study.graph import build
from elth_jax.study.nodes import Node
from elth_jax.study.spec import RunOptions, StudySpec, read_config
from elth_jax.training.recipe import Recipe
from elth_jax.workdir.lock import shared
from elth_jax.workdir.store import Store

Note = Callable[[Outcome], None]


class NoWork:
  """A study whose nodes are no work, as a worker has it open.

  Args:
    order: what the driver sends.
    seconds: that each batch takes; then its start is written down.
  """

  def __init__(self, order: Order, seconds: float = 0.0):
    self.log = order.workdir / 'starts.txt'
    self.seconds = seconds

  def do(self, order: Order, batch: Batch, note: Note) -> None:
    if self.seconds:
      with self.log.open('a') as file:
        for name in batch.nodes:
          file.write(f'{time.time()} {name} {os.getpid()}\n')
      time.sleep(self.seconds)
    for name in batch.nodes:
      note(Outcome(name, 'done'))

  def is_needed(self) -> bool:
    return True

  def close(self) -> None:
    pass


def open_no_work(order: Order) -> NoWork:
  return NoWork(order)


def open_slow(order: Order) -> NoWork:
  return NoWork(order, seconds=1.0)


@dataclasses.dataclass
class Plan:
  """A graph of about as many nodes as are asked for."""

  spec: StudySpec
  options: RunOptions
  data: dict[str, Dataset | Stream]
  nodes: dict[str, Node]


def plan(replicates: int, executor: str) -> Plan:
  """Nodes of tiny networks: 20 for each replicate."""
  config = base_config(
    dataset='digits',
    sources=('mlp2',),
    targets=('mlp2',),
    width=4,
    methods=('imp', 'random', 'reinit'),
    levels=5,
    compare_levels=(4, 5),
    replicates=replicates,
    recipe=Recipe(batch_size=32, epochs=2, drop_epochs=(), rewind_step=1),
    executor=executor,
  )
  spec, options = read_config(config)
  found = data.load(spec, options)
  return Plan(spec, options, found, build(spec, found))


@contextlib.contextmanager
def runner(asked: Plan, opener: Callable) -> Generator[Runner]:
  with tempfile.TemporaryDirectory() as folder:
    store = Store(folder)
    with shared(store.root, 60.0) as leases:
      store.leases = leases
      layout = Layout.of(asked.options, Hosts(), '')
      order = Order(
        spec=as_json(asked.spec),
        options=as_json(asked.options),
        workdir=store.root,
        study=study_hash(asked.nodes),
        layout=layout,
        driver=leases.token,
      )
      yield Runner(
        asked.nodes,
        store,
        asked.data,
        asked.options,
        order,
        opener=opener,
      )


class NoWorkHere:
  """A worker of this process, likewise."""

  def do(self, batch: Batch, note: Note, advance: Callable) -> None:
    for name in batch.nodes:
      note(Outcome(name, 'done'))


def time_first(one: Runner) -> list[float]:
  """A list that gets the time of the first outcome."""
  found: list[float] = []
  note = one._note

  def noted(outcome: Outcome, display: Any) -> None:
    if not found:
      found.append(time.perf_counter())
    note(outcome, display)

  one._note = noted  # pyrefly: ignore
  return found


def overhead(replicates: int) -> None:
  for executor in ('local', 'shared', 'dask'):
    asked = plan(replicates, executor)
    with runner(asked, open_no_work) as one:
      if executor != 'dask':
        one.worker = NoWorkHere()  # pyrefly: ignore
      first = time_first(one)
      began, cpu = time.perf_counter(), time.process_time()
      one.run()
      ended = time.perf_counter()
      cpu = time.process_time() - cpu
      count = len(asked.nodes)
      assert len(one.done) == count
    print(
      f'{executor}: {count} nodes in {ended - began:.1f} s, of which '
      f'{first[0] - began:.1f} s until the first; '
      f'{1000 * (ended - first[0]) / count:.2f} ms a node from then on; '
      f"{cpu:.1f} s of this process's processor",
      flush=True,
    )


def restart(times: int) -> None:
  found = []
  for _ in range(times):
    with runner(plan(1, 'dask'), open_slow) as one:
      log = one.store.root / 'starts.txt'
      killed: list[tuple[float, str]] = []

      def kill(log: Path = log, killed: list = killed) -> None:
        while not log.exists() or len(log.read_text().splitlines()) < 4:
          time.sleep(0.05)
        _, name, pid = log.read_text().splitlines()[-1].split()
        killed.append((time.time(), name))
        os.kill(int(pid), signal.SIGKILL)

      threading.Thread(target=kill, daemon=True).start()
      one.run()
      ((moment, name),) = killed
      starts = [line.split() for line in log.read_text().splitlines()]
      found.append(
        min(
          float(when) - moment
          for when, other, _ in starts
          if other == name and float(when) > moment
        )
      )
  print(
    f'begun again after {statistics.median(found):.2f} s (median of {times}; '
    f'{min(found):.2f} to {max(found):.2f} s)'
  )


WAYS = {
  'local': [],
  'dask, 1 worker': ['--config.executor=dask', '--config.workers=1'],
  'dask, 2 workers': ['--config.executor=dask', '--config.workers=2'],
}


def study(config: str, rounds: int, changes: list[str]) -> None:
  seconds: dict[str, list[float]] = {name: [] for name in WAYS}
  with tempfile.TemporaryDirectory() as folder:
    for number in range(1 + rounds):
      for name, flags in WAYS.items():
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        began = time.perf_counter()
        subprocess.run(
          [
            *(sys.executable, '-m', 'elth_jax.main', f'--config={config}'),
            f'--workdir={folder}/{number} {name}',
            *flags,
            *changes,
          ],
          check=True,
          stdout=subprocess.DEVNULL,
          stderr=subprocess.DEVNULL,
          env={**os.environ, 'ELTH_JAX_CACHE': f'{folder}/cache'},
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime
        cpu -= before.ru_utime + before.ru_stime
        took = time.perf_counter() - began
        when = f'round {number}' if number else 'to compile'
        print(
          f'{when}, {name}: {took:.1f} s, processors {cpu:.1f} s', flush=True
        )
        if number:
          seconds[name].append(took)
  alone = statistics.median(seconds['local'])
  for name, found in seconds.items():
    median = statistics.median(found)
    print(f'{name}: {median:.1f} s, {median / alone:.2f} times local')


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('what', choices=('overhead', 'restart', 'study'))
  parser.add_argument('--config', default='configs/digits.py')
  parser.add_argument('--rounds', type=int, default=3)
  parser.add_argument('--replicates', type=int, default=100)
  parser.add_argument('changes', nargs='*')
  given = parser.parse_args()
  if given.what == 'study':
    study(given.config, given.rounds, given.changes)
    return
  devices.split_cpu()
  if given.what == 'overhead':
    overhead(given.replicates)
  else:
    restart(given.rounds)


if __name__ == '__main__':
  main()
