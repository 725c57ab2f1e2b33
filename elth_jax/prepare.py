"""Prepares a real data set: python -m elth_jax.prepare cifar10 --from=FOLDER

Reads the published files in FOLDER, or downloads them, and writes what
studies read to TFDS_DATA_DIR (by default ~/tensorflow_datasets). Exit codes: 0
prepared, 1 error, 130 stopped by Ctrl-C; nothing half prepared is left.
"""

import argparse
import logging
import os
import signal
import sys
import threading
import time

from elth_jax.process.text import say

EVERY = 30  # seconds between two signs of life


def parser() -> argparse.ArgumentParser:
  """What the command takes."""
  made = argparse.ArgumentParser(
    prog='elth-jax prepare',
    description=__doc__,
    allow_abbrev=False,
    formatter_class=argparse.RawDescriptionHelpFormatter,
  )
  made.add_argument('name', help='of the data set, as in a config')
  made.add_argument(
    '--from',
    dest='source',
    metavar='FOLDER',
    help='where the published files lie; without it they are downloaded',
  )
  return made


def main(arguments: list[str] | None = None) -> int:
  given = parser().parse_args(arguments)
  about = (given.name, time.time())
  threading.Thread(target=_show_life, args=about, daemon=True).start()
  try:
    return run(given.name, given.source)
  except KeyboardInterrupt:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    print('elth_jax: stopped; nothing is half prepared', file=sys.stderr)
    sys.stderr.flush()
    os._exit(130)  # not waiting for downloads


def run(name: str, source: str | None) -> int:
  """Prepares one data set; the exit code."""
  from elth_jax.datasets import DatasetError
  from elth_jax.datasets.prepare import prepare
  from elth_jax.storage.files import local_path

  for noisy in ('absl', 'urllib3'):
    logging.getLogger(noisy).setLevel(logging.ERROR)
  try:
    folder = None if source is None else local_path(source, '--from')
    prepare(name, folder, lambda text: say(f'{name}: {text}'))
  except (DatasetError, OSError, ValueError) as error:
    say(f'elth_jax: {" ".join(str(error).split())}', sys.stderr)
    return 1
  return 0


def _show_life(name: str, start: float) -> None:
  while True:
    time.sleep(EVERY)
    from elth_jax.datasets.prepare import written_since

    minutes, size = (time.time() - start) / 60, written_since(name, start)
    say(f'{name}: {minutes:.1f} min, {size / 1e6:.0f} MB')


if __name__ == '__main__':
  sys.exit(main())
