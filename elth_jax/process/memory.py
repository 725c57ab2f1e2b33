"""Memory that is freed stays with the process, in huge pages where possible.

A dispatch of XLA allocates hundreds of megabytes and frees them at its end.
glibc gives them back to the system at once, so that the next dispatch takes a
page fault for every 4 KB of them: a tenth of the time of short dispatches.
"""

import contextlib
import ctypes
import os
import platform
import sys

# numbers of glibc's malloc.h
M_TRIM_THRESHOLD = -1
M_MMAP_MAX = -4
M_ARENA_MAX = -8
NEVER = -1
MADV_HUGEPAGE = 14
HUGE_PAGE = 2**21
MOST_RESERVED = 2**32  # bytes of addresses


def keep_freed_memory() -> None:
  """Has freed memory used again, on Linux with glibc; else does nothing.

  This changes settings of the process, so only commands call it, before there
  are threads: arenas of threads would still give large blocks back.
  """
  if platform.libc_ver()[0] != 'glibc':
    return
  libc = ctypes.CDLL(None)
  libc.mallopt(M_ARENA_MAX, 1)
  libc.mallopt(M_MMAP_MAX, 0)
  libc.mallopt(M_TRIM_THRESHOLD, NEVER)
  _reserve(libc, min(MOST_RESERVED, _memory() // 4))


def _memory() -> int:
  return os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')


def _reserve(libc: ctypes.CDLL, size: int) -> None:
  """Grows the heap by addresses that will be huge pages once they are used.

  Nothing is used here. Where the system has no huge pages this changes nothing.
  Where addresses are limited they are left to others.
  """
  import resource  # where glibc is, this is too

  limits = resource.RLIMIT_AS, resource.RLIMIT_DATA
  if any(
    resource.getrlimit(one)[0] != resource.RLIM_INFINITY for one in limits
  ):
    return
  libc.malloc.restype = ctypes.c_void_p
  libc.malloc.argtypes = [ctypes.c_size_t]
  libc.free.argtypes = [ctypes.c_void_p]
  libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
  block = libc.malloc(size)
  if block is None:
    return
  start = -(-block // HUGE_PAGE) * HUGE_PAGE
  length = (block + size - start) // HUGE_PAGE * HUGE_PAGE
  libc.madvise(start, length, MADV_HUGEPAGE)
  libc.free(block)


def peak_memory() -> dict[str, int]:
  """The most memory used so far, in bytes: `host`, and of each accelerator.

  The host's is left out on Windows, which has no such count.
  """
  import jax  # not before memory is kept

  peak = {}
  with contextlib.suppress(ImportError):
    import resource

    unit = 1 if sys.platform == 'darwin' else 1024
    peak['host'] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
  for device in jax.local_devices():
    stats = device.memory_stats() if device.platform != 'cpu' else None
    if stats and 'peak_bytes_in_use' in stats:
      peak[str(device)] = stats['peak_bytes_in_use']
  return peak
