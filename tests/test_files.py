import hashlib

import pytest

from elth_jax.files import sha256, write_atomically


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
