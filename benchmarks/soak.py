r"""Kills a study at random moments, again and again, and counts what is lost.

  python benchmarks/soak.py --kills=200

The study runs once undisturbed. Then it is started, killed by SIGKILL and
started again until it ends; what it ends in is compared byte by byte. Whatever
was finished before a kill must still be there after it, the very same file: one
that was done again and replaced counts as lost. When a study has ended, the
next one begins, until all kills are done. Arguments after `--` change the
study, e.g. to one of a minute:

  python benchmarks/soak.py -- --config.levels=3 --config.replicates=2 \
    '--config.compare_levels=(3,)'

With --processes=3, three processes share each study, any one of them is killed,
and it is started again while the others go on. With --executor=dask, the
victims are drivers and their workers.
"""

import argparse
import contextlib
import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from elth_jax.workdir.inspection import inspect

ORDINARY = ('--config.checkpoint_seconds=0.1',)


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--config', default='configs/digits.py')
  parser.add_argument('--kills', type=int, default=200)
  parser.add_argument('--earliest', type=float, default=2.0, help='seconds')
  parser.add_argument('--latest', type=float, default=14.0, help='seconds')
  parser.add_argument('--seed', type=int, default=0)
  parser.add_argument('--processes', type=int, default=1)
  parser.add_argument(
    '--executor', default='local', choices=('local', 'shared', 'dask')
  )
  parser.add_argument('changes', nargs='*')
  arguments = parser.parse_args()
  if arguments.processes > 1 and arguments.executor == 'local':
    arguments.executor = 'shared'
  study = [f'--config={arguments.config}', *ORDINARY, *arguments.changes]
  shared = [*study, f'--config.executor={arguments.executor}']
  moments = random.Random(arguments.seed)
  with tempfile.TemporaryDirectory() as folder:
    whole = Path(folder) / 'whole'
    start(study, whole).wait()
    expected = contents(products(whole))
    kills, studies, losses, partial = 0, 0, 0, 0
    while kills < arguments.kills:
      studies += 1
      workdir = Path(folder) / f'study{studies}'
      before: dict[str, File] = {}
      group = [start(shared, workdir) for _ in range(arguments.processes)]
      while True:
        patience = moments.uniform(arguments.earliest, arguments.latest)
        codes = wait(group, patience if kills < arguments.kills else None)
        if None in codes:
          kill(moments, group)
          kills += 1
          partial += any(workdir.glob('partial/*/step-*'))
        now = products(workdir)
        losses += sum(now.get(name) != value for name, value in before.items())
        before = now
        for number, process in enumerate(group):
          if process.returncode == -signal.SIGKILL:
            group[number] = start(shared, workdir)
        if None not in codes:
          break
      found = contents(before)
      differing = sum(
        found.get(name) != expected.get(name)
        for name in found.keys() | expected.keys()
      )
      damaged = inspect(workdir).damaged
      failed = sum(code != 0 for code in codes)
      losses += differing + len(damaged) + failed
      if failed:
        print(*log_of(workdir).read_text().splitlines()[-20:], sep='\n')
      print(
        f'{time.strftime("%H:%M:%S")} study {studies}: exit codes '
        f'{codes}, {differing} of {len(expected)} files differ, '
        f'{len(damaged)} damaged; {kills} kills so far, {partial} of them with '
        f'a run half done; losses {losses}',
        flush=True,
      )
  print(f'{kills} kills, {studies} studies, losses: {losses}')
  sys.exit(losses > 0)


def start(study: list[str], workdir: Path) -> subprocess.Popen:
  with log_of(workdir).open('ab') as log:
    return subprocess.Popen(
      [sys.executable, '-m', 'elth_jax.main', *study, f'--workdir={workdir}'],
      stdout=log,
      stderr=log,
    )


def log_of(workdir: Path) -> Path:
  """What all processes of a study print."""
  return workdir.with_name(f'{workdir.name}.log')


def wait(
  group: list[subprocess.Popen], seconds: float | None
) -> list[int | None]:
  """Waits for processes that share a study; their exit codes so far."""
  deadline = time.monotonic() + (seconds or float('inf'))
  while time.monotonic() < deadline:
    if all(process.poll() is not None for process in group):
      break
    time.sleep(0.05)
  return [process.poll() for process in group]


def kill(moments: random.Random, group: list[subprocess.Popen]) -> None:
  """Kills a process that is alive, or one of those that it started."""
  alive = [process.pid for process in group if process.poll() is None]
  found = [*alive, *(pid for one in alive for pid in children(one))]
  with contextlib.suppress(ProcessLookupError):
    os.kill(moments.choice(found), signal.SIGKILL)
  time.sleep(0.5)
  for process in group:
    process.poll()


def children(pid: int) -> list[int]:
  """The processes that a process started."""
  found = []
  for path in Path('/proc').glob('[0-9]*/stat'):
    with contextlib.suppress(OSError):
      if path.read_text().rpartition(')')[2].split()[1] == str(pid):
        found.append(int(path.parent.name))
  return sorted(found)


class File(NamedTuple):
  """A finished file: its hash, and what changes if it is written again."""

  sha256: str
  inode: int
  written: int


def products(workdir: Path) -> dict[str, File]:
  """Every finished file that must not change any more."""
  found = [*workdir.glob('tickets/[!.]*'), *workdir.glob('runs/[!.]*/*')]
  if (workdir / 'report.html').is_file():  # results.csv grows until then
    found.append(workdir / 'results.csv')
  files = {}
  for path in found:
    if path.is_file():
      sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
      stat = path.stat()
      name = str(path.relative_to(workdir))
      files[name] = File(sha256, stat.st_ino, stat.st_mtime_ns)
  return files


def contents(files: dict[str, File]) -> dict[str, str]:
  return {name: file.sha256 for name, file in files.items()}


if __name__ == '__main__':
  main()
