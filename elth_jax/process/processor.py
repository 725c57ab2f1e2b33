"""What this machine's processor is, and what it can do."""

import hashlib
import os
import platform
from pathlib import Path

_ABOUT = Path('/proc/cpuinfo')  # on Linux


def features() -> frozenset[str]:
  """The instruction sets that Linux names, e.g. `avx2`; elsewhere none."""
  if not _ABOUT.is_file():
    return frozenset()
  found = [
    line.partition(':')[2]
    for line in _ABOUT.read_text('utf-8', 'replace').splitlines()
    if line.startswith(('flags', 'Features'))
  ]
  return frozenset(found[0].split()) if found else frozenset()


def name() -> str:
  """A name for this kind of processor: its architecture and its features."""
  about = platform.processor()
  if _ABOUT.is_file():
    lines = _ABOUT.read_text('utf-8', 'replace').splitlines()
    named = ('flags', 'Features', 'model name')
    about = '\n'.join(
      sorted({line for line in lines if line.startswith(named)})
    )
  digest = hashlib.sha256(about.encode()).hexdigest()[:12]
  return f'{platform.machine()}-{digest}'


def usable_cores() -> int:
  """How many cores this process may use."""
  if hasattr(os, 'sched_getaffinity'):  # not on macOS
    return len(os.sched_getaffinity(0))
  return os.cpu_count() or 1
