"""The published files of small data sets: found in a folder, and read."""

import dataclasses
import gzip
import tarfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from elth_jax.datasets.dataset import DatasetError
from elth_jax.datasets.prepare import formats, pickles
from elth_jax.datasets.prepare.formats import Examples, Files
from elth_jax.datasets.tfds import Prepared

DAMAGED = (EOFError, OSError, tarfile.TarError, zlib.error)
ENDINGS = ('.tar.gz', '.tgz', '.tar')


@dataclasses.dataclass(frozen=True)
class Form:
  """One form in which a data set is published.

  Attributes:
    splits: split -> names of its files, unpacked.
    read: makes examples of the files of one split.
    archive: the tar file that holds them, without its ending; empty if every
      file is published alone.
    folder: where the archive unpacks to.
    ending: of the published names, where every file is compressed alone.
  """

  splits: Mapping[str, tuple[str, ...]]
  read: Callable[[Files], Examples]
  archive: str = ''
  folder: str = ''
  ending: str = ''

  @property
  def downloads(self) -> tuple[str, ...]:
    """The names of the files that are published."""
    if self.archive:
      return (f'{self.archive}.tar.gz',)
    return tuple(f'{name}{self.ending}' for name in self.names)

  @property
  def names(self) -> tuple[str, ...]:
    return tuple(name for names in self.splits.values() for name in names)


def wanted(data: Prepared) -> str:
  """The published files of a data set, as a remedy names them."""
  return ', or '.join(', '.join(form.downloads) for form in data.forms())


def read(data: Prepared, folder: Path) -> dict[str, Examples]:
  """The splits of a small data set, from its published files.

  Files may be packed as published, or unpacked into the folder or into a
  folder of their own.

  Args:
    data: the data set.
    folder: where the files lie.

  Raises:
    DatasetError: naming the file that is missing or damaged.
  """
  for form in data.forms():
    paths = located(form, folder)
    if paths:
      return read_paths(form, paths)
  found = sorted(path.name for path in folder.iterdir())
  held = ', '.join(found[:8]) + (', ...' if len(found) > 8 else '')
  raise DatasetError(
    f'{folder} holds no files of {data.name}; put {wanted(data)} there (it '
    f'holds {held or "nothing"})'
  )


def located(form: Form, folder: Path) -> dict[str, Path]:
  """name -> the file that has it; archives stand for all their members."""
  for ending in ENDINGS if form.archive else ():
    archive = folder / f'{form.archive}{ending}'
    if archive.is_file():
      return dict.fromkeys(form.names, archive)
  for place in (folder / form.folder, folder):
    found = {name: _either(place / name, form.ending) for name in form.names}
    if any(path.is_file() for path in found.values()):
      return found
  return {}


def read_paths(form: Form, paths: Mapping[str, Path]) -> dict[str, Examples]:
  """The splits of a data set from files wherever they lie.

  Args:
    form: in which the files are published.
    paths: name -> the file, or the archive that holds it.

  Raises:
    DatasetError: naming the file that is missing or damaged.
  """
  content = dict[str, bytes]()
  for path in dict.fromkeys(paths.values()):
    names = [name for name in form.names if paths[name] == path]
    try:
      content |= _contents(path, names, bool(form.archive))
    except DAMAGED as error:
      raise DatasetError(_unusable(path, error)) from error
  try:
    return {
      split: form.read({name: content[name] for name in names})
      for split, names in form.splits.items()
    }
  except (formats.FormatError, pickles.PickleError) as error:
    places = ', '.join(sorted({str(path.parent) for path in paths.values()}))
    raise DatasetError(
      f'{places}: {" ".join(str(error).split())}; get the published file again'
    ) from error


def _either(path: Path, ending: str) -> Path:
  """The file unpacked, or as it is published."""
  return path if path.is_file() else path.with_name(f'{path.name}{ending}')


def _contents(
  path: Path, names: Iterable[str], packed: bool
) -> dict[str, bytes]:
  if packed and path.name.endswith(ENDINGS):
    return _members(path, set(names))
  (name,) = names
  content = path.read_bytes()
  return {name: gzip.decompress(content) if path.suffix == '.gz' else content}


def _members(path: Path, names: set[str]) -> dict[str, bytes]:
  """Some files of an archive, wherever in it they lie."""
  found: dict[str, bytes] = {}
  with tarfile.open(path) as archive:
    for member in archive:
      name = member.name.rpartition('/')[2]
      if name in names and member.isfile():
        file = archive.extractfile(member)
        found[name] = file.read() if file else b''
  missing = sorted(names - found.keys())
  if missing:
    raise tarfile.TarError(f'it holds no {", ".join(missing)}')
  return found


def _unusable(path: Path, error: BaseException) -> str:
  if isinstance(error, FileNotFoundError):
    return f'{path} is missing; put the published file there'
  if isinstance(error, OSError) and error.errno:
    return f'{path} cannot be read: {error.strerror}'
  why = ' '.join(str(error).split())
  return f'{path} is damaged ({why}); get the published file again'
