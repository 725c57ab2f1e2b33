"""Times things in interleaved rounds and writes what came out as a table."""

import contextlib
import functools
import multiprocessing
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from elth_jax.datasets.dataset import Dataset


def interleaved(
  cases: Mapping[str, Callable[[], object]], rounds: int
) -> dict[str, list[float]]:
  """Seconds of each case in each round; one round before is not counted."""
  times: dict[str, list[float]] = {name: [] for name in cases}
  for number in range(rounds + 1):
    for name, run in cases.items():
      began = time.perf_counter()
      run()
      if number:
        times[name].append(time.perf_counter() - began)
  return times


class Apart:
  """Things to time in a process of their own, with its own settings.

  Args:
    make: name -> function; called in that process, so it must be importable.
      What functions return must be picklable.
    arguments: of `make`.
  """

  def __init__(self, make: Callable, *arguments):
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context('spawn').Process(
      target=_serve, args=(there, make, arguments), daemon=True
    )
    process.start()
    there.close()
    self._pipe = here

  def wait(self, seconds: float) -> None:
    """Until the functions are made, or so long."""
    self._pipe.poll(max(seconds, 0))

  def cases(self) -> dict[str, Callable[[], Any]]:
    """Functions that run those there, once they are made; to be called once.

    They return what those return, and raise `EOFError` where that process ends.
    """
    names = self._pipe.recv()
    return {name: functools.partial(self._call, name) for name in names}

  def _call(self, name: str) -> Any:
    self._pipe.send(name)
    return self._pipe.recv()


def _serve(pipe, make: Callable, arguments) -> None:
  cases = make(*arguments)
  pipe.send(list(cases))
  with contextlib.suppress(EOFError):  # the process that asks has ended
    while True:
      pipe.send(cases[pipe.recv()]())


def spread(values: Sequence[float], digits: int = 0) -> str:
  """The median, lowest and highest."""
  middle, low, high = statistics.median(values), min(values), max(values)
  return f'{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})'


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
  """Markdown."""
  lines = [head, ['---'] + ['---:'] * (len(head) - 1), *rows]
  return '\n'.join(table_line(line) for line in lines)


def table_line(values: Sequence[object]) -> str:
  """A row of a table in Markdown."""
  return '| ' + ' | '.join(map(str, values)) + ' |'


def machine(**versions: str) -> str:
  """What a table was measured on."""
  model = platform.processor() or platform.machine()
  about = Path('/proc/cpuinfo')
  if about.is_file():
    lines = about.read_text().splitlines()
    model = next(
      (line.split(':')[1].strip() for line in lines if 'model name' in line),
      model,
    )
    wide = 'avx512f' in about.read_text()
    model += ', AVX-512' if wide else ', no AVX-512'
  known = {
    'Python': platform.python_version(),
    'jax': jax.__version__,
    **versions,
  }
  devices = f'{jax.local_device_count()} {jax.local_devices()[0].device_kind}'
  listed = ', '.join(f'{name} {version}' for name, version in known.items())
  return f'{model}; {devices} device(s); {listed}'


def noise(size: int, train: int, test: int) -> Dataset:
  """Random images of the shape of CIFAR's."""
  generator = np.random.default_rng(0)
  shape = (train + test, size, size, 3)
  images = generator.integers(0, 256, shape).astype(np.uint8)
  labels = generator.integers(0, 10, train + test).astype(np.int32)
  half = (0.5, 0.5, 0.5)
  return Dataset(
    name='noise',
    train_images=images[:train],
    train_labels=labels[:train],
    test_images=images[train:],
    test_labels=labels[train:],
    classes=10,
    mean=half,
    std=half,
  )
