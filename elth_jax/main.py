"""The command line: python -m elth_jax.main --config=... --workdir=..."""

import os
import shlex
import signal
import socket
import sys
import threading

from absl import app, flags, logging
from ml_collections import config_flags

config_flags.DEFINE_config_file('config', help_string='A study to run.')
flags.DEFINE_string('workdir', None, 'Folder for everything that is written.')
flags.DEFINE_string(
  'compilation_cache',
  None,
  'Folder for compiled programs, or "off"; by default in ELTH_JAX_CACHE, or '
  '~/.cache/elth_jax.',
)
flags.mark_flags_as_required(['config', 'workdir'])

# SIGUSR1 is what cluster managers send before they end a job
STOP_SIGNALS = ('SIGTERM', 'SIGINT', 'SIGUSR1')  # Windows has no SIGUSR1


class StopRequest:
  """Notes the first signal, and leaves at once on the second.

  A thread of its own hears signals while the main one compiles or trains.

  Attributes:
    signal: the number of the signal that came, or `None`.
  """

  def __init__(self):
    self.signal: int | None = None
    hear, tell = socket.socketpair()
    tell.setblocking(False)
    self._tell = tell  # kept open
    signal.set_wakeup_fd(tell.fileno(), warn_on_full_buffer=False)
    for name in STOP_SIGNALS:
      if hasattr(signal, name):
        signal.signal(getattr(signal, name), lambda number, frame: None)
    threading.Thread(target=self._listen, args=(hear,), daemon=True).start()

  def _listen(self, hear: socket.socket) -> None:
    while heard := hear.recv(1):
      if signal.Signals(heard[0]).name in STOP_SIGNALS:
        self._note(heard[0])

  def _note(self, number: int) -> None:
    if self.signal is not None:
      os._exit(128 + number)
    self.signal = number
    print(
      'stopping at the next step that is safe; once more leaves now',
      file=sys.stderr,
      flush=True,
    )

  def __bool__(self) -> bool:
    return self.signal is not None


def main(argv) -> None:
  if len(argv) > 1:
    raise app.UsageError(f'unexpected argument {argv[1]!r}')
  logging.set_verbosity(logging.ERROR)
  stop = StopRequest()
  import jax

  from elth_jax.compilation import keep_compiled
  from elth_jax.datasets import DatasetError
  from elth_jax.manifest import DamagedError
  from elth_jax.study import session
  from elth_jax.study.lock import BusyError
  from elth_jax.study.store import StoreError
  from elth_jax.study.watch import StudyStopped

  if 'JAX_NUM_CPU_DEVICES' not in os.environ:
    jax.config.update('jax_num_cpu_devices', session.suitable_cpu_devices())
  try:
    keep_compiled(flags.FLAGS.compilation_cache)
    given = config_flags.get_override_values(flags.FLAGS['config'])
    succeeded = session.run(
      flags.FLAGS.config,
      flags.FLAGS.workdir,
      asked_to_stop=lambda: bool(stop),
      command=shlex.join(['python', '-m', 'elth_jax.main', *sys.argv[1:]]),
      given=given,
    )
  except (
    session.ConfigError,
    StoreError,
    BusyError,
    DamagedError,
    DatasetError,
    OSError,
  ) as error:
    sys.exit(f'elth_jax: {error}')
  except StudyStopped:
    print('stopped; the same command continues', file=sys.stderr)
    sys.exit(128 + (stop.signal or signal.SIGTERM))
  if not succeeded:
    sys.exit(1)


def parse_flags(argv: list[str]) -> list[str]:
  """Reads flags and config; anything wrong with them is one line."""
  try:
    rest = flags.FLAGS(argv)
    flags.FLAGS.config.keys()  # a file that could not be read fails here
    return rest
  except (
    flags.Error,
    AttributeError,
    ImportError,
    KeyError,
    OSError,
    TypeError,
    ValueError,
  ) as error:
    text = str(error.args[0] if isinstance(error, KeyError) else error)
    if 'Traceback' in text:  # of the config's file; its last line says why
      text = f'--config: {text.strip().splitlines()[-1]}'
    sys.exit(f'elth_jax: {" ".join(text.split())}')


if __name__ == '__main__':
  app.run(main, flags_parser=parse_flags)
