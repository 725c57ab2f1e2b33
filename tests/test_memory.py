"""Memory that is freed stays with the process."""

import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource, sys, threading
import numpy as np
if sys.argv[1] == 'keep':
  from elth_jax.process import memory
  memory.keep_freed_memory()

def touch():
  for _ in range(3):
    np.ones(2**24, np.float32)  # 64 MiB, freed at once

def faults():
  before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
  thread = threading.Thread(target=touch)  # as XLA allocates, in a thread
  thread.start()
  thread.join()
  return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

faults()
print(faults())
"""


def faults(how: str) -> int:
  command = [sys.executable, '-c', FAULTS, how]
  return int(subprocess.run(command, capture_output=True, check=True).stdout)


@pytest.mark.skipif(
  platform.libc_ver()[0] != 'glibc', reason='only glibc is told to keep memory'
)
def test_a_large_block_is_used_again_without_page_faults():
  # pages may be large, of 2 MiB: then there are few faults in either case
  assert 4 * faults('keep') < faults('give back')
