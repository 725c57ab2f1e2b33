"""Flips bits all over a finished study, and counts what goes unnoticed.

  python benchmarks/flips.py runs/digits_mlp --places=8

In a copy of the workdir, one byte is changed at a time, at places spread over
every file, and the doctor's checks are run: each change must be named. Tickets
are loaded as well: none may load. Ends with exit code 1 if any goes unnoticed.
"""

import argparse
import random
import shutil
import sys
import tempfile
from pathlib import Path

from elth_jax import Ticket
from elth_jax.workdir.inspection import checks


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('workdir', type=Path)
  parser.add_argument('--places', type=int, default=8, help='in each file')
  arguments = parser.parse_args()
  places = random.Random(0)
  flips, missed, loaded = 0, [], 0
  with tempfile.TemporaryDirectory() as folder:
    root = Path(shutil.copytree(arguments.workdir, Path(folder) / 'copy'))
    files = [path for path in sorted(root.rglob('*')) if path.is_file()]
    files = [path for path in files if path.stat().st_size]
    for path in files:
      content = path.read_bytes()
      for number in range(arguments.places):
        # one in each part of the file
        begin = len(content) * number // arguments.places
        end = max(begin + 1, len(content) * (number + 1) // arguments.places)
        at = places.randrange(begin, end)
        changed = bytearray(content)
        changed[at] ^= 1 << places.randrange(8)
        path.write_bytes(changed)
        flips += 1
        found = [error for _, error, _ in checks(root) if error]
        if not any(str(path) in error for error in found):
          missed.append(f'{path.relative_to(root)} at {at}')
        if path.suffix == '.safetensors' and path.parent.name == 'tickets':
          loaded += loads(path)
      path.write_bytes(content)
  for text in missed:
    print(f'unnoticed: {text}')
  print(
    f'{len(files)} files, {flips} flips, {flips - len(missed)} named; '
    f'{loaded} damaged tickets loaded'
  )
  sys.exit(bool(missed or loaded))


def loads(path: Path) -> bool:
  try:
    Ticket.load(path)
  except ValueError:
    return False
  return True


if __name__ == '__main__':
  main()
