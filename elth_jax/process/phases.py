"""Where time and memory go: named phases, timed while a clock is open."""

import contextlib
import functools
import time
from collections.abc import Generator
from contextvars import ContextVar

import jax

# tracing is left to the phase that asks for it, since traces nest
COMPILING = (
  '/jax/core/compile/backend_compile_duration',
  '/jax/core/compile/jaxpr_to_mlir_module_duration',
)


class Clock:
  """Seconds by phase; what an inner phase or the compiler takes is its own.

  Attributes:
    seconds: phase -> seconds spent in it alone.
    calls: phase -> how often it was entered.
  """

  def __init__(self):
    self.began = time.perf_counter()
    self.seconds: dict[str, float] = {}
    self.calls: dict[str, int] = {}
    self._inner: list[float] = []  # seconds of inner phases, by open phase

  def add(self, phase: str, seconds: float) -> None:
    """Notes time that passed within the open phase, as another's."""
    self.seconds[phase] = self.seconds.get(phase, 0.0) + seconds
    self.calls[phase] = self.calls.get(phase, 0) + 1
    if self._inner:
      self._inner[-1] += seconds

  @contextlib.contextmanager
  def phase(self, name: str) -> Generator[None]:
    self._inner.append(0.0)
    began = time.perf_counter()
    try:
      with jax.profiler.TraceAnnotation(name):
        yield
    finally:
      took = time.perf_counter() - began
      inner = self._inner.pop()
      self.add(name, took - inner)
      if self._inner:  # the phase around sees all of it
        self._inner[-1] += inner

  def table(self) -> str:
    """Phases by time, with their share of all time since the start."""
    total = time.perf_counter() - self.began
    rest = total - sum(self.seconds.values())
    rows = sorted(self.seconds.items(), key=lambda row: -row[1])
    lines = [f'{"phase":<12} {"seconds":>9} {"share":>7} {"times":>7}']
    for name, seconds in [*rows, ('other', rest)]:
      times = self.calls.get(name, '')
      lines.append(
        f'{name:<12} {seconds:>9.2f} {seconds / total:>7.1%} {times:>7}'
      )
    return '\n'.join([*lines, f'{"all":<12} {total:>9.2f}'])


_clock: ContextVar[Clock | None] = ContextVar('clock', default=None)
_open: list[Clock] = []  # told of what JAX compiles


def phase(name: str) -> contextlib.AbstractContextManager[None]:
  """Marks what is done as a phase; timed within `listening`, else free."""
  clock = _clock.get()
  return clock.phase(name) if clock else contextlib.nullcontext()


@contextlib.contextmanager
def listening() -> Generator[Clock]:
  """Times phases, and what JAX traces and compiles, as long as it is open."""
  _listen_once()
  clock = Clock()
  token = _clock.set(clock)
  _open.append(clock)
  try:
    yield clock
  finally:
    _clock.reset(token)
    _open.remove(clock)


@functools.cache
def _listen_once() -> None:
  """Registers one listener for good: jax 0.7 cannot take one away."""

  def compiled(event: str, duration_secs: float, **_) -> None:
    if event in COMPILING:
      for clock in _open:
        clock.add('compile', duration_secs)

  jax.monitoring.register_event_duration_secs_listener(compiled)
