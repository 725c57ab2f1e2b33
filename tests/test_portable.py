"""What other systems lack is asked for only where it is there."""

import ast
import importlib
import os
import signal
import sys
from pathlib import Path

import pytest

from elth_jax.process import connection, memory, processor, signals
from elth_jax.storage import files

PACKAGE = Path(files.__file__).parent.parent
POSIX = {'fcntl', 'grp', 'posix', 'pty', 'pwd', 'resource', 'termios', 'tty'}


def top_imports(path):
  """What a module imports as soon as it is imported."""
  for node in ast.parse(path.read_text('utf-8')).body:
    if isinstance(node, ast.Import):
      yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
      yield str(node.module)


@pytest.mark.parametrize('path', [*PACKAGE.rglob('*.py')], ids=lambda p: p.stem)
def test_no_module_needs_what_windows_lacks_to_be_imported(path):
  assert not POSIX & set(top_imports(path))


def test_files_are_written_where_folders_cannot_be_opened(
  tmp_path, monkeypatch
):
  opened = os.open

  def as_windows(path, flags, *rest):
    if os.path.isdir(path):
      raise PermissionError(13, 'Permission denied', str(path))
    assert flags & os.O_RDWR, 'Windows syncs no file that is only read'
    return opened(path, flags, *rest)

  monkeypatch.setattr(files, 'WINDOWS', True)
  monkeypatch.setattr(files.os, 'open', as_windows)
  files.write_atomically(tmp_path / 'a' / 'file', 'text')
  assert (tmp_path / 'a' / 'file').read_text() == 'text'
  files.sync(tmp_path / 'a' / 'file')
  monkeypatch.setattr(files, 'WINDOWS', False)
  with pytest.raises(PermissionError):
    files.sync(tmp_path)


def test_memory_and_cores_where_the_system_does_not_tell(monkeypatch):
  assert memory.peak_memory()['host'] > 0
  monkeypatch.setitem(sys.modules, 'resource', None)
  assert 'host' not in memory.peak_memory()
  monkeypatch.delattr(os, 'sched_getaffinity', raising=False)
  assert processor.usable_cores() == (os.cpu_count() or 1)


def test_memory_settings_are_importable_without_resource(monkeypatch):
  monkeypatch.setitem(sys.modules, 'resource', None)
  monkeypatch.setattr('platform.libc_ver', lambda: ('', ''))
  memory = importlib.reload(importlib.import_module('elth_jax.process.memory'))
  memory.keep_freed_memory()


def test_signals_that_are_not_there_are_left_out(monkeypatch):
  taken = []
  monkeypatch.delattr(signal, 'SIGUSR1', raising=False)
  monkeypatch.setattr(signal, 'signal', lambda number, _: taken.append(number))
  signals.leave_to_parent()
  assert taken == [signal.SIGINT]


def test_a_home_without_a_password_database(monkeypatch):
  monkeypatch.setitem(sys.modules, 'pwd', None)
  monkeypatch.setenv('HOME', '')
  with pytest.raises(files.NoHomeError, match='set HOME'):
    files.local_path('~/x', 'a')


def test_aborts_are_left_alone_on_windows(monkeypatch):
  monkeypatch.setattr(connection.os, 'name', 'nt')
  before = list(connection._kept)
  try:
    connection._end_cleanly_when_aborted()
  finally:
    monkeypatch.undo()
  assert connection._kept == before
