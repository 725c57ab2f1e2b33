"""What the command line does: flags, config, devices, then a study."""

import difflib
import functools
import os
import shlex
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from absl import app, flags, logging
from ml_collections import config_flags

from elth_jax.process import memory
from elth_jax.process.signals import StopRequest
from elth_jax.study import config_file, config_option
from elth_jax.study.fields import config_fields

# What loads JAX is imported by functions, once the environment is right.


def run(stop: StopRequest) -> None:
  """Runs the study that `sys.argv` describes, and exits."""
  command = typed_command(sys.argv)
  try:
    sys.argv[1:] = with_one_config(sys.argv[1:])
    _prepare_devices()
    for path in _files(sys.argv[1:]):
      config_file.search_beside(Path(path))
  except ValueError as error:
    sys.exit(f'elth_jax: {error}')
  _define_flags()
  app.run(
    functools.partial(_run, stop=stop, command=command),
    flags_parser=_parse_flags,
  )


def typed_command(argv: Sequence[str]) -> str:
  """What a person would type to start this again."""
  program = {
    'elth-jax': ['elth-jax', 'run'],
    '__main__': ['python', '-m', 'elth_jax', 'run'],
  }.get(Path(argv[0]).stem, ['python', '-m', 'elth_jax.main'])
  return shlex.join([*program, *argv[1:]])


def with_one_config(arguments: Sequence[str]) -> list[str]:
  """The arguments with the last --config alone, its path expanded.

  Every --config executes its file, and a file that registers a family can be
  executed once.

  Raises:
    ValueError: if the path is empty or not on this machine, or no file is
      there.
  """
  rest: list[str] = []
  path, place = None, 0
  words = iter(arguments)
  for word in words:
    name, equals, text = word.partition('=')
    if word == '--':
      rest += [word, *words]
    elif name in ('-config', '--config'):
      place = len(rest) if path is None else place
      path = text if equals else next(words, '')
    else:
      rest.append(word)
  if path is not None:
    file, choice = config_option.find(path)
    rest.insert(place, f'--config={file}' + f':{choice}' * bool(choice))
  return rest


def _prepare_devices() -> None:
  """Splits the CPU before the config is read: a config may compute.

  Raises:
    ValueError: if the environment holds what JAX cannot read.
  """
  if not os.environ.get('JAX_NUM_CPU_DEVICES'):
    os.environ.pop('JAX_NUM_CPU_DEVICES', None)  # JAX cannot read an empty one
  memory.keep_freed_memory()
  from elth_jax.process import devices

  devices.split_cpu()


def _define_flags() -> None:
  config_flags.DEFINE_config_file('config', help_string='A study to run.')
  flags.DEFINE_string(
    'workdir',
    None,
    'Folder for everything that is written, or s3://bucket/path.',
  )
  flags.DEFINE_string(
    'compilation_cache',
    None,
    'Folder for compiled programs, or "off"; by default in ELTH_JAX_CACHE, or '
    '~/.cache/elth_jax.',
  )
  flags.mark_flags_as_required(['config', 'workdir'])
  for name in ('config', 'workdir', 'compilation_cache'):  # for --help
    flags.FLAGS.register_key_flag_for_module(sys.argv[0], flags.FLAGS[name])


def _parse_flags(argv: list[str]) -> list[str]:
  """Reads flags and config; anything wrong with them is one line."""
  try:
    rest = flags.FLAGS(argv)
    flags.FLAGS.config.keys()  # a file that could not be read fails here
    return rest
  except Exception as error:  # a config's file may raise anything
    cause = error.__cause__ if isinstance(error, OSError) else None
    why = _why(cause if isinstance(cause, OSError) else error, argv)
    sys.exit(f'elth_jax: {" ".join(why.split())}')


def _why(error: Exception, argv: Sequence[str]) -> str:
  """What was wrong, with the line of the config's file if that raised it."""
  from elth_jax.process import devices

  if unknown := _unknown_field(argv):
    return unknown
  text = _message(error)
  for word in argv:
    if text.strip("'") in word.partition('=')[0].split('.')[1:]:
      return f'{word}: this config has no {text}'
  lacks_config = '--config=None' in text and not _files(argv)
  if lacks_config or '--workdir=None' in text:
    return 'give --config=NAME and --workdir=DIR; elth-jax configs lists names'
  if 'Traceback' in text:  # of the config's file; its last line says why
    reason = text.strip().splitlines()[-1]
    if 'get_config() takes 0 positional' in reason:
      return f'--config: {_files(argv)[0]} takes no choice behind a colon'
    return f'--config: {reason}'
  if isinstance(error, RuntimeError | AssertionError):  # perhaps JAX's
    try:
      devices.require()
    except devices.DeviceError as found:
      return str(found)
  files = _files(argv)
  for frame in reversed(traceback.extract_tb(error.__traceback__)):
    if frame.filename in files:
      where = f'{frame.filename}, line {frame.lineno}'
      return f'--config: {where}: {type(error).__name__}: {text}'
  signs = '--config=None', "attribute 'keys'", "attribute 'get_config'"
  if files and any(sign in text for sign in signs):
    return f'--config: get_config() of {files[0]} must return a ConfigDict'
  return text


def _files(arguments: Sequence[str]) -> list[str]:
  """The config's file, without its argument, if one was given."""
  start = '--config='
  return [
    word.removeprefix(start).partition(':')[0]
    for word in arguments
    if word.startswith(start)
  ]


def _unknown_field(arguments: Sequence[str]) -> str:
  """What to say of a field that no config has; empty if there is none."""
  known = [field.name for field in config_fields()]
  for word in arguments:
    start, _, name = word.partition('=')[0].partition('config.')
    parts = name.split('.')
    paths = ['.'.join(parts[: n + 1]) for n in range(len(parts))]
    if start in ('-', '--') and name and not set(paths) & set(known):
      last = parts[-1]
      near = [one for one in known if last in _short_forms(one)]
      near += difflib.get_close_matches(name, known, n=1)
      hint = f'did you mean {near[0]!r}? ' if near else ''
      return f'unknown config field {name!r}; {hint}--help names all'
  return ''


def _short_forms(field: str) -> tuple[str, str]:
  """What a person may write for `recipe.learning_rate`."""
  last = field.rpartition('.')[2]
  return last, ''.join(word[:1] for word in last.split('_'))


def _message(error: Exception) -> str:
  """An error's text; ml_collections puts one error into another."""
  inner = error.args[0] if error.args else ''
  if isinstance(error, AttributeError | KeyError) and inner:
    return _message(inner) if isinstance(inner, Exception) else str(inner)
  return str(error)


def _run(argv: Sequence[str], stop: StopRequest, command: str) -> None:
  if len(argv) > 1:
    raise app.UsageError(f'unexpected argument {argv[1]!r}')
  logging.set_verbosity(logging.ERROR)

  from elth_jax.datasets import DatasetError
  from elth_jax.process.compilation import keep_compiled
  from elth_jax.process.connection import HostsError
  from elth_jax.process.devices import DeviceError
  from elth_jax.process.signals import StudyStopped
  from elth_jax.runner import session
  from elth_jax.storage.manifest import DamagedError
  from elth_jax.workdir.lock import BusyError
  from elth_jax.workdir.store import StoreError

  given = config_flags.get_override_values(flags.FLAGS['config'])
  try:
    keep_compiled(flags.FLAGS.compilation_cache)
  except (OSError, ValueError) as error:
    sys.exit(f'elth_jax: {error}')
  stop.start_running()
  try:
    succeeded = session.run(
      flags.FLAGS.config,
      flags.FLAGS.workdir,
      asked_to_stop=lambda: bool(stop),
      command=command,
      given=given,
      config_file=_config_file(sys.argv[1:]),
    )
  except (
    session.ConfigError,
    StoreError,
    BusyError,
    DamagedError,
    DatasetError,
    DeviceError,
    HostsError,
    OSError,
  ) as error:
    # a signal to the whole job also ends processes that read data
    if stop and isinstance(error, DatasetError):
      print(f'elth_jax: {error}', file=sys.stderr)
      _exit_stopped(stop)
    sys.exit(f'elth_jax: {error}')
  except StudyStopped:
    _exit_stopped(stop)
  except Exception as error:
    if not stop:
      raise
    first = str(error).strip().partition('\n')[0]
    print(f'elth_jax: {type(error).__name__}: {first}', file=sys.stderr)
    _exit_stopped(stop)
  if not succeeded:
    sys.exit(1)


def _config_file(arguments: Sequence[str]) -> str:
  """The absolute path of the config, and its argument."""
  start = '--config='
  (text,) = [one for one in arguments if one.startswith(start)]
  file, colon, choice = text.removeprefix(start).partition(':')
  return f'{Path(file).absolute()}{colon}{choice}'


def _exit_stopped(stop: StopRequest) -> NoReturn:
  print('stopped; the same command continues', file=sys.stderr)
  sys.exit(128 + (stop.signal or signal.SIGTERM))
