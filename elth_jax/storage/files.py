"""Paths on this machine; files that appear whole or not at all; hashes."""

import contextlib
import errno
import hashlib
import os
import re
import shutil
import tempfile
import uuid
from collections.abc import Generator
from pathlib import Path, PureWindowsPath

ASIDE = '.aside'  # ends the name of what is not whole yet
WINDOWS = os.name == 'nt'
# two letters or more, since C: is a drive; Path makes one slash of two
SCHEME = re.compile(r'[A-Za-z][A-Za-z0-9+.-]+:/')


FREE = 'free some space there, then start again'
ALLOW = 'let this user write there, then start again'
REMEDIES = {
  errno.ENOSPC: FREE,
  errno.EDQUOT: FREE,
  errno.EACCES: ALLOW,
  errno.EPERM: ALLOW,
  errno.EROFS: ALLOW,
  errno.EIO: 'is the disk sound?',
}


class WriteError(OSError):
  """A file that cannot be written; says which, why, and what to do."""

  def __str__(self):
    return str(self.strerror)


class NoHomeError(ValueError):
  """A path starts with `~`, and no home folder can be found."""


def local_path(path: Path | str, what: str) -> Path:
  """A path on this machine, with `~` expanded.

  A relative path stays relative. The result may be given to this function
  again and is not changed then.

  Args:
    path: as a person gave it.
    what: what the path is for, to begin an error with, e.g. `workdir`.

  Raises:
    ValueError: if the path is empty, has a scheme such as `gs://`, cannot be
      encoded, or starts with `~` and there is no such home folder (a
      `NoHomeError`).
  """
  if not isinstance(path, str | os.PathLike):
    raise ValueError(f'{what} is {path!r}; give a path, as text')
  text = os.fspath(path)
  if not isinstance(text, str) or '\0' in text:
    raise ValueError(f'{what} is {text!r}; give a path, as text')
  if not text.strip():
    raise ValueError(f'{what} is empty; give a path')
  try:
    os.fsencode(text)
  except UnicodeEncodeError:
    raise ValueError(
      f'{what} is {text!a}, which this locale cannot encode; set PYTHONUTF8=1'
    ) from None
  if SCHEME.match(text):
    raise ValueError(_why_not_local(text, what))
  if text.startswith('~'):
    return Path(_with_home(text, what))
  found = Path(text)
  # what was written as ./~x must not look like a home folder from now on
  plain = not str(found).startswith('~') and not SCHEME.match(str(found))
  return found if plain else found.absolute()


def environment_path(name: str, default: str) -> Path:
  """The path that an environment variable holds; an empty one is not set.

  Args:
    name: of the variable.
    default: the path where it is not set; may start with `~`.

  Raises:
    ValueError: as `local_path` does; the variable is named.
  """
  return local_path(os.environ.get(name) or default, name)


def _why_not_local(text: str, what: str) -> str:
  scheme, _, rest = text.partition(':')
  if scheme.lower() == 'file':
    remedy = f'give the path alone: /{rest.lstrip("/")}'
  elif scheme.lower() == 's3' and what == 'workdir':
    remedy = f'copy it to a folder: elth-jax fetch {text} FOLDER'
  else:
    remedy = 'give a path on this machine, e.g. where it is mounted'
  return f'{what} is {text!r}, and {scheme}: is not read or written; {remedy}'


def _with_home(text: str, what: str) -> str:
  user = re.split(r'[/\\]', text, maxsplit=1)[0]
  found = os.path.expanduser(text)
  if user == '~' and os.environ.get('HOME') == '':  # counts as not set
    found = _home_of_user().rstrip('/') + text[1:]
  if not found.startswith('~'):
    return found
  if user == '~':
    raise NoHomeError(
      f'{what} is {text!r}, and no home folder is known; set HOME, or give a '
      'path without ~'
    )
  raise NoHomeError(
    f'{what} is {text!r}, and there is no user {user[1:]!r}; write ./{text} '
    'for a folder of that name'
  )


def _home_of_user() -> str:
  """The home folder in the password database, or `~`."""
  try:
    import pwd  # not on Windows

    return pwd.getpwuid(os.getuid()).pw_dir or '~'
  except (ImportError, KeyError):
    return '~'


@contextlib.contextmanager
def as_text(folder: Path) -> Generator[Path]:
  """The folder, by a path that is valid text.

  Libraries in C++ take UTF-8 alone. A folder whose name has other bytes, or
  that Python reads in an ASCII locale, is reached by a temporary link.
  """
  folder = folder.absolute()
  try:
    str(folder).encode()
  except UnicodeEncodeError:
    with tempfile.TemporaryDirectory() as place:
      link = Path(place) / 'link'
      link.symlink_to(folder, target_is_directory=True)
      yield link
  else:
    yield folder


def utf8(text: str) -> bytes:
  """The text as UTF-8, whatever the locale; always valid.

  Names of files that are no text are kept as the bytes that they are, where
  these are UTF-8, and escaped by backslashes elsewhere.
  """
  try:
    content = text.encode('utf-8', 'surrogateescape')
  except UnicodeEncodeError:
    content = text.encode('utf-8', 'backslashreplace')
  return content.decode('utf-8', 'backslashreplace').encode()


@contextlib.contextmanager
def writing(path: Path) -> Generator[None]:
  """Around what writes a file or folder.

  Raises:
    WriteError: if the disk is full or fails, or does not let this user write.
  """
  try:
    yield
  except OSError as error:
    remedy = REMEDIES.get(error.errno or 0)
    if remedy is None or isinstance(error, WriteError):
      raise
    raise WriteError(
      error.errno, f'{path} cannot be written: {error.strerror}; {remedy}'
    ) from error


def is_below(name: str) -> bool:
  """Whether a relative path leads to something in the folder it starts from."""
  path = PureWindowsPath(name)  # it knows the slashes of all systems
  return bool(path.parts) and not path.anchor and '..' not in path.parts


def write_atomically(path: Path | str, data: bytes | str) -> None:
  """Writes aside, syncs and renames, so that no reader sees half a file.

  Text is written as UTF-8.

  Raises:
    WriteError: as `writing` does.
  """
  path = Path(path)
  data = utf8(data) if isinstance(data, str) else data
  with writing(path):
    _write_aside(path, data)


def _write_aside(path: Path, data: bytes) -> None:
  path.parent.mkdir(parents=True, exist_ok=True)
  aside = aside_of(path)
  try:
    with aside.open('xb') as file:
      file.write(data)
      file.flush()
      os.fsync(file.fileno())
    os.replace(aside, path)
  except BaseException:
    with contextlib.suppress(OSError):
      aside.unlink()
    raise
  sync(path.parent)


def sync(path: Path) -> None:
  """Makes a file's bytes, or renames in a folder, durable.

  Windows opens no folder, and syncs what may be written to alone; its file
  system keeps a journal of renames.
  """
  if WINDOWS and path.is_dir():
    return
  handle = os.open(path, os.O_RDWR if WINDOWS else os.O_RDONLY)
  try:
    os.fsync(handle)
  finally:
    os.close(handle)


def write_once(path: Path, data: bytes) -> bool:
  """Writes as `write_atomically` does, unless something is there already.

  Of several processes that write at once, one alone succeeds.

  Returns:
    Whether it was written.
  """
  aside = aside_of(path)
  write_atomically(aside, data)
  try:
    with writing(path):
      os.link(aside, path)
  except FileExistsError:
    return False
  finally:
    aside.unlink()
  sync(path.parent)
  return True


def aside_of(path: Path) -> Path:
  """A new place beside a path, for what is not whole yet."""
  return path.with_name(f'.{path.name}.{uuid.uuid4().hex[:8]}{ASIDE}')


def remove_folder(folder: Path) -> None:
  """Removes a folder that may be there; nobody sees it half removed."""
  aside = folder.with_name(f'.{folder.name}{ASIDE}')
  shutil.rmtree(aside, ignore_errors=True)
  with writing(folder), contextlib.suppress(FileNotFoundError):
    os.replace(folder, aside)
  shutil.rmtree(aside, ignore_errors=True)


def files_below(folder: Path) -> list[Path]:
  """All files in a folder and its folders, in a fixed order."""
  return sorted(path for path in folder.rglob('*') if path.is_file())


def sha256(path: Path) -> str:
  """The SHA-256 of a file's bytes, in hexadecimal."""
  with path.open('rb') as file:
    return hashlib.file_digest(file, 'sha256').hexdigest()


def cache_dir() -> Path:
  """Where what can be made again is kept: ELTH_JAX_CACHE, or below ~/.cache.

  Decoded images and compiled programs; removing it costs time alone.
  XDG_CACHE_HOME stands for ~/.cache where it is set.

  Raises:
    ValueError: if the folder is not on this machine; a `NoHomeError` if it
      would be in a home folder that cannot be found.
  """
  if os.environ.get('ELTH_JAX_CACHE'):
    return environment_path('ELTH_JAX_CACHE', '')
  try:
    return environment_path('XDG_CACHE_HOME', '~/.cache') / 'elth_jax'
  except NoHomeError as error:
    raise NoHomeError(
      'no home folder is known for the cache in ~/.cache; set HOME or '
      'ELTH_JAX_CACHE'
    ) from error
