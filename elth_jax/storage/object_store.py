"""Objects below one URL of an object store: `s3://bucket/path`, through s3fs.

Names are relative to the URL. An object appears whole or not at all; it can be
replaced, or created exclusively, and never renamed.
"""

import contextlib
import re
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

URL = re.compile(r's3://?([^/]+)(?:/(.*))?', re.IGNORECASE | re.DOTALL)
CONNECTIONS = 16  # requests at a time
CONNECT_SECONDS = 10
# between attempts to create what another process is creating
CONFLICT_SECONDS = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2)
REMEDIES = {
  'ImportError': "pip install 'elth_jax[s3]'",
  'ModuleNotFoundError': "pip install 'elth_jax[s3]'",
  'NoCredentialsError': (
    'set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY'
  ),
  'PermissionError': 'may these credentials list, read, write and delete?',
  'FileNotFoundError': 'make the bucket first',
}
NETWORK = 'is there a network, and is AWS_ENDPOINT_URL right, if it is set?'


class ObjectStoreError(OSError):
  """An object store that does not answer, or refuses; says what to do."""


class ObjectStore:
  """Reads and writes objects below a URL.

  Args:
    url: `s3://bucket` or `s3://bucket/path`.

  Attributes:
    url: the same in its one form, without a slash at its end.

  Raises:
    ValueError: if the URL names no bucket.
    ObjectStoreError: if s3fs is not installed, or the bucket cannot be listed
      with the credentials and the network that there are.
  """

  def __init__(self, url: str):
    self.url = normalized(url)
    self._root = self.url.removeprefix('s3://')
    with self._explained():
      import fsspec

      # what others write must be seen: no listing is kept
      self._files = fsspec.filesystem(
        's3',
        use_listings_cache=False,
        skip_instance_cache=True,
        config_kwargs={
          'connect_timeout': CONNECT_SECONDS,
          'max_pool_connections': CONNECTIONS,
        },
      )
      bucket, _, path = self._root.partition('/')
      self._files.call_s3(
        'list_objects_v2', Bucket=bucket, Prefix=path, MaxKeys=1
      )

  def sizes(self, folder: str = '') -> dict[str, int]:
    """All objects, or those below a folder: name -> bytes."""
    with self._explained():
      found = self._files.find(self._place(folder), detail=True)
    start = len(self._root) + 1
    return {name[start:]: about['size'] for name, about in found.items()}

  def read(self, name: str) -> bytes:
    """An object's bytes; `FileNotFoundError` if there is none."""
    with self._explained(FileNotFoundError):
      return self._files.cat_file(self._place(name))

  def read_all(self, names: Iterable[str]) -> dict[str, bytes]:
    """The bytes of those objects that are there."""

    def read(name: str) -> bytes | None:
      with contextlib.suppress(FileNotFoundError):
        return self.read(name)
      return None

    found = self._each(read, names)
    return {name: data for name, data in found.items() if data is not None}

  def write(self, name: str, data: bytes) -> None:
    """Writes an object, whole; replaces what is there."""
    with self._explained():
      self._files.pipe_file(self._place(name), data)

  def write_all(self, objects: Mapping[str, bytes]) -> None:
    """Writes several objects, in any order."""
    self._each(lambda name: self.write(name, objects[name]), objects)

  def write_once(self, name: str, data: bytes) -> bool:
    """Creates an object; whether nothing was there.

    Of several that do so at once, one alone succeeds (`If-None-Match: *`).
    """
    with self._explained():
      pauses = iter(CONFLICT_SECONDS)
      while True:
        try:
          self._files.pipe_file(self._place(name), data, mode='create')
          return True
        except OSError as error:
          code, pause = _code(error), next(pauses, None)
          if code == 'PreconditionFailed':
            return False
          if code != 'ConditionalRequestConflict' or pause is None:
            raise
          time.sleep(pause)  # another one is at it

  def delete(self, names: Iterable[str]) -> None:
    """Deletes objects, also such as are not there."""

    def delete(name: str) -> None:
      with self._explained():
        self._files.rm_file(self._place(name))

    self._each(delete, names)

  def close(self) -> None:
    """Closes the connections."""
    self._files.close_session(self._files.loop, self._files.s3)

  def _place(self, name: str) -> str:
    return f'{self._root}/{name}'.rstrip('/')

  def _each(
    self, do: Callable[[str], Any], names: Iterable[str]
  ) -> dict[str, Any]:
    names = list(names)
    with ThreadPoolExecutor(CONNECTIONS) as pool:
      return dict(zip(names, pool.map(do, names), strict=True))

  @contextlib.contextmanager
  def _explained(self, *expected: type[OSError]) -> Generator[None]:
    """Errors of the libraries below as one line that says what to do."""
    try:
      yield
    except expected:
      raise
    except Exception as error:
      if not isinstance(error, (OSError, ImportError, *_botocore_errors())):
        raise
      remedy = REMEDIES.get(type(error).__name__, NETWORK)
      why = ' '.join(str(error).split())
      raise ObjectStoreError(f'{self.url}: {why}; {remedy}') from error


def normalized(url: str) -> str:
  """A URL in its one form.

  Raises:
    ValueError: if it is not `s3://` and the name of a bucket.
  """
  found = URL.fullmatch(url)
  if not found:
    raise ValueError(f'{url!r} names no bucket; give s3://BUCKET/PATH')
  bucket, path = found[1], (found[2] or '').strip('/')
  return f's3://{bucket}/{path}'.rstrip('/')


def _code(error: OSError) -> str:
  """What the server calls an error; empty if it did not answer."""
  response = getattr(error.__cause__, 'response', {})
  return response.get('Error', {}).get('Code', '')


def _botocore_errors() -> list[type[Exception]]:
  """The errors that s3fs passes on as they are, if it is installed."""
  try:
    from botocore.exceptions import BotoCoreError
  except ImportError:
    return []
  return [BotoCoreError]
