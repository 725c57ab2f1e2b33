"""The option `profile`: where a study's time goes, and a trace of its start."""

import contextlib
import threading
from collections.abc import Generator
from pathlib import Path

import jax

from elth_jax.process.phases import listening
from elth_jax.process.text import say
from elth_jax.storage.files import as_text
from elth_jax.workdir.store import Store

TRACED_SECONDS = 5.0  # every operation of a CPU is an event: gigabytes a minute


@contextlib.contextmanager
def into(store: Store) -> Generator[None]:
  """Writes `profile/phases.txt` and a trace beside it, and prints the phases.

  The trace is for Perfetto (ui.perfetto.dev) or xprof; Python's own calls are
  left out of it. Phases are written also if the study is stopped.
  """
  folder = store.root / 'profile'
  folder.mkdir(parents=True, exist_ok=True)
  with as_text(folder) as place, listening() as clock:
    try:
      with _traced(place):
        yield
    finally:
      text = clock.table()
      store.write('profile/phases.txt', text + '\n')
      say(text)
      say(f'trace and phases: {folder}')


@contextlib.contextmanager
def _traced(folder: Path) -> Generator[None]:
  """Writes a trace of the first seconds into a folder."""
  options = jax.profiler.ProfileOptions()
  options.python_tracer_level = 0
  jax.profiler.start_trace(folder, profiler_options=options)
  ended = threading.Event()

  def end_trace() -> None:
    if not ended.is_set():
      ended.set()
      jax.profiler.stop_trace()

  timer = threading.Timer(TRACED_SECONDS, end_trace)
  timer.daemon = True
  timer.start()
  try:
    yield
  finally:
    timer.cancel()
    end_trace()
