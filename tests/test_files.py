import errno
import hashlib
import os
from pathlib import Path

import pytest

from elth_jax.process.compilation import keep_compiled
from elth_jax.storage import manifest
from elth_jax.storage.files import (
  NoHomeError,
  as_text,
  cache_dir,
  environment_path,
  is_below,
  local_path,
  sha256,
  write_atomically,
)


def test_write_makes_folders_and_replaces(tmp_path):
  path = tmp_path / 'a' / 'b.txt'
  write_atomically(path, 'one')
  write_atomically(path, b'two')
  assert path.read_text() == 'two'
  assert sha256(path) == hashlib.sha256(b'two').hexdigest()


def test_a_failed_write_leaves_the_old_file_alone(tmp_path, monkeypatch):
  path = tmp_path / 'file'
  write_atomically(path, 'old')

  def fail(*arguments):
    raise OSError(28, 'No space left on device')

  monkeypatch.setattr('os.fsync', fail)
  with pytest.raises(OSError, match='No space'):
    write_atomically(path, 'new')
  assert path.read_text() == 'old'
  assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
  ('code', 'remedy'),
  [
    (errno.ENOSPC, 'free some space there, then start again'),
    (errno.EDQUOT, 'free some space there, then start again'),
    (errno.EACCES, 'let this user write there, then start again'),
    (errno.EROFS, 'let this user write there, then start again'),
    (errno.EIO, r'is the disk sound\?'),
  ],
)
@pytest.mark.parametrize('name', ['mkdir', 'fsync', 'replace'])
def test_what_cannot_be_written_is_named(
  tmp_path, monkeypatch, code, remedy, name
):
  def fail(*arguments):
    raise OSError(code, os.strerror(code))

  monkeypatch.setattr(f'os.{name}', fail)
  message = f'cannot be written: {os.strerror(code)}; {remedy}$'
  path = tmp_path / 'folder' / 'file'
  with pytest.raises(OSError, match=f'^{path} {message}') as found:
    write_atomically(path, 'text')
  assert found.value.errno == code
  with pytest.raises(OSError, match=rf'^{tmp_path}/\.?folder.* {message}'):
    manifest.publish(
      tmp_path / 'folder', {}, lambda aside: (aside / 'a').touch()
    )


@pytest.mark.parametrize(
  ('given', 'expected'),
  [
    ('runs/x', 'runs/x'),
    ('~/runs', 'HOME/runs'),
    ('~', 'HOME'),
    (Path('~/runs'), 'HOME/runs'),
    ('./~x', 'HERE/~x'),
    ('a~/~b', 'a~/~b'),
    ('c:/windows', 'c:/windows'),
    ('dir/gs://x', 'dir/gs:/x'),
  ],
)
def test_local_paths(tmp_path, monkeypatch, given, expected):
  monkeypatch.setenv('HOME', f'{tmp_path}/home')
  monkeypatch.chdir(tmp_path)
  expected = expected.replace('HOME', f'{tmp_path}/home')
  found = local_path(given, 'workdir')
  assert found == Path(expected.replace('HERE', str(tmp_path)))
  assert local_path(found, 'workdir') == found


@pytest.mark.parametrize(
  ('given', 'message'),
  [
    ('', 'workdir is empty'),
    ('  ', 'workdir is empty'),
    ('gs://bucket/x', "workdir is 'gs://bucket/x'.*a path on this machine"),
    (Path('gs://bucket/x'), 'gs: is not read or written'),
    ('s3://b', 's3:'),
    ('file:///a/b', 'give the path alone: /a/b'),
    (
      '~nobody-of-that-name/x',
      "no user 'nobody-of-that-name'; write ./~nobody",
    ),
    ('a\0b', 'give a path, as text'),
    (b'x', 'give a path, as text'),
    (None, 'workdir is None'),
  ],
)
def test_what_is_no_local_path_is_refused(given, message):
  with pytest.raises(ValueError, match=message):
    local_path(given, 'workdir')


def test_a_home_that_cannot_be_found_names_the_variable(monkeypatch):
  monkeypatch.delenv('HOME')

  def unknown(user):
    raise KeyError(user)

  monkeypatch.setattr('pwd.getpwuid', unknown)
  for home in (None, ''):
    if home is not None:
      monkeypatch.setenv('HOME', home)
    with pytest.raises(NoHomeError, match='set HOME'):
      local_path('~/x', 'workdir')
  for name in ('ELTH_JAX_CACHE', 'XDG_CACHE_HOME'):
    monkeypatch.delenv(name, raising=False)
  with pytest.raises(NoHomeError, match='set HOME or ELTH_JAX_CACHE'):
    cache_dir()
  with pytest.warns(UserWarning, match='programs are not kept: no home'):
    assert keep_compiled() is None
  with pytest.raises(NoHomeError, match='compilation_cache'):
    keep_compiled('~/programs')


def test_empty_variables_are_not_set(tmp_path, monkeypatch):
  monkeypatch.setenv('HOME', str(tmp_path))
  monkeypatch.setenv('ELTH_JAX_CACHE', '')
  monkeypatch.setenv('XDG_CACHE_HOME', '')
  assert cache_dir() == tmp_path / '.cache' / 'elth_jax'
  assert environment_path('ELTH_JAX_CACHE', '~/x') == tmp_path / 'x'
  monkeypatch.setenv('XDG_CACHE_HOME', '~/c')
  assert cache_dir() == tmp_path / 'c' / 'elth_jax'
  monkeypatch.setenv('ELTH_JAX_CACHE', '~/mine')
  assert cache_dir() == tmp_path / 'mine'
  monkeypatch.setenv('ELTH_JAX_CACHE', 'gs://mine')
  with pytest.raises(ValueError, match='ELTH_JAX_CACHE is'):
    keep_compiled()


@pytest.mark.parametrize(
  ('text', 'expected'),
  [
    ('é', 'é'),
    ('caf\udcc3\udca9', 'café'),  # UTF-8 that was read as ASCII
    ('caf\udce9', 'caf\\xe9'),
    ('\ud800', '\\ud800'),
  ],
)
def test_text_is_written_as_utf8(tmp_path, text, expected):
  write_atomically(tmp_path / 'file', text)
  assert (tmp_path / 'file').read_text(encoding='utf-8') == expected


def test_a_folder_with_other_bytes_is_reached_by_text(tmp_path):
  for name in ('café', 'caf\udce9'):
    folder = tmp_path / name
    try:
      folder.mkdir()
    except OSError:
      pytest.skip('names are Unicode here')
    with as_text(folder) as place:
      str(place).encode()
      (place / 'x').write_text('here')
    assert (folder / 'x').read_text() == 'here'


@pytest.mark.parametrize('mask', [0o077, 0o022, 0o002])
def test_files_have_the_mode_that_the_umask_leaves(mask, tmp_path):
  before = os.umask(mask)
  try:
    write_atomically(tmp_path / 'one', 'text')
    (tmp_path / 'other').write_text('text')
  finally:
    os.umask(before)
  one, other = ((tmp_path / name).stat() for name in ('one', 'other'))
  assert one.st_mode == other.st_mode


@pytest.mark.parametrize(
  ('name', 'below'),
  [
    ('figures/one.png', True),
    ('figures/../../evil', False),
    ('..', False),
    ('/etc/passwd', False),
    ('C:evil', False),
    (r'figures\..\evil', False),
    ('', False),
  ],
)
def test_a_name_leads_into_its_folder_or_not(name, below):
  assert is_below(name) == below
