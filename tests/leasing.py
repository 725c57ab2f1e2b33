"""Does nodes under leases: python -m tests.leasing FOLDER SEED HOW."""

import os
import random
import signal
import sys
import time
from pathlib import Path

from elth_jax.storage.files import write_once
from elth_jax.workdir.leases import Leases

NODES = [f'node{number}' for number in range(12)]


def work(folder: Path, seed: int, how: str) -> None:
  """Writes each product once, or is `killed` with a lease."""
  draw = random.Random(seed)
  leases = Leases(folder, 30.0)
  leases.join()
  if how == 'killed':
    assert leases.claim(NODES[seed])
    os.kill(os.getpid(), signal.SIGKILL)
  while left := [name for name in NODES if not (folder / name).exists()]:
    name = draw.choice(left)
    if not leases.claim(name):
      continue
    if not (folder / name).exists():
      with (folder / 'done.txt').open('a') as file:
        file.write(f'{name}\n')
      time.sleep(draw.random() / 100)
      assert leases.holds(name)
      assert write_once(folder / name, name.encode())
    leases.release(name)
  leases.leave()


if __name__ == '__main__':
  work(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
