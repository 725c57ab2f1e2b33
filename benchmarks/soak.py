r"""Kills a study at random moments, again and again, and counts what is lost.

  python benchmarks/soak.py --kills=200

The study runs once undisturbed. Then it is started, killed by SIGKILL and
started again until it ends; what it ends in is compared byte by byte. Whatever
was finished before a kill must still be there, unchanged, after it. When a
study has ended, the next one begins, until all kills are done. Arguments after
`--` change the study, e.g. to one of a minute:

  python benchmarks/soak.py -- --config.levels=3 --config.replicates=2 \
    '--config.compare_levels=(3,)'
"""

import argparse
import hashlib
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from elth_jax.workdir.inspection import inspect

ORDINARY = ('--config.checkpoint_seconds=0.1',)


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--config', default='configs/digits.py')
  parser.add_argument('--kills', type=int, default=200)
  parser.add_argument('--earliest', type=float, default=2.0, help='seconds')
  parser.add_argument('--latest', type=float, default=14.0, help='seconds')
  parser.add_argument('--seed', type=int, default=0)
  parser.add_argument('changes', nargs='*')
  arguments = parser.parse_args()
  study = [f'--config={arguments.config}', *ORDINARY, *arguments.changes]
  moments = random.Random(arguments.seed)
  with tempfile.TemporaryDirectory() as folder:
    whole = Path(folder) / 'whole'
    start(study, whole).wait()
    expected = products(whole)
    kills, studies, losses, partial = 0, 0, 0, 0
    while kills < arguments.kills:
      studies += 1
      workdir = Path(folder) / f'study{studies}'
      before: dict[str, str] = {}
      while True:
        process = start(study, workdir)
        patience = moments.uniform(arguments.earliest, arguments.latest)
        try:
          process.wait(patience if kills < arguments.kills else None)
        except subprocess.TimeoutExpired:
          process.kill()
          process.wait()
          kills += 1
          partial += any(workdir.glob('partial/*/step-*'))
        now = products(workdir)
        losses += sum(now.get(name) != value for name, value in before.items())
        before = now
        if process.returncode != -9:
          break
      differing = sum(
        before.get(name) != expected.get(name)
        for name in before.keys() | expected.keys()
      )
      damaged = inspect(workdir).damaged
      losses += differing + len(damaged) + (process.returncode != 0)
      print(
        f'{time.strftime("%H:%M:%S")} study {studies}: exit code '
        f'{process.returncode}, {differing} of {len(expected)} files differ, '
        f'{len(damaged)} damaged; {kills} kills so far, {partial} of them with '
        f'a run half done; losses {losses}',
        flush=True,
      )
  print(f'{kills} kills, {studies} studies, losses: {losses}')
  sys.exit(losses > 0)


def start(study: list[str], workdir: Path) -> subprocess.Popen:
  return subprocess.Popen(
    [sys.executable, '-m', 'elth_jax.main', *study, f'--workdir={workdir}'],
    stdout=subprocess.DEVNULL,
    stderr=subprocess.DEVNULL,
  )


def products(workdir: Path) -> dict[str, str]:
  """Every finished file that must not change any more -> its hash."""
  found = [*workdir.glob('tickets/[!.]*'), *workdir.glob('runs/[!.]*/*')]
  if (workdir / 'report.html').is_file():  # results.csv grows until then
    found.append(workdir / 'results.csv')
  return {
    str(path.relative_to(workdir)): hashlib.sha256(
      path.read_bytes()
    ).hexdigest()
    for path in found
    if path.is_file()
  }


if __name__ == '__main__':
  main()
