"""Downloads published files with tensorflow-datasets, checked by its hashes."""

import os
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from elth_jax.datasets.dataset import DatasetError
from elth_jax.datasets.prepare import published
from elth_jax.datasets.prepare.formats import Examples
from elth_jax.datasets.tfds import Prepared

TIMEOUT = 20  # seconds until a server must answer at all


def read(
  data: Prepared, cache: Path, say: Callable[[str], None]
) -> dict[str, Examples]:
  """The splits of a small data set, from where it is published.

  Args:
    data: the data set.
    cache: where downloads are kept; what is there already stays.
    say: is told of progress.

  Raises:
    DatasetError: if it cannot be downloaded; says what to do.
  """
  form = data.forms()[0]
  paths = dict(zip(form.downloads, fetch(data, form, cache, say), strict=True))
  if form.archive:
    (archive,) = paths.values()
    return published.read_paths(form, dict.fromkeys(form.names, archive))
  return published.read_paths(
    form, dict(zip(form.names, paths.values(), strict=True))
  )


def fetch(
  data: Prepared,
  form: published.Form,
  cache: Path,
  say: Callable[[str], None],
) -> list[Path]:
  """Where the files that a form publishes lie, in their order.

  Raises:
    DatasetError: if one cannot be downloaded; says what to do.
  """
  os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
  import tensorflow_datasets as tfds

  tfds.disable_progress_bar()
  try:
    known = tfds.builder_cls(data.name).url_infos or {}
    urls = {info.filename: url for url, info in known.items()}
    manager = tfds.download.DownloadManager(
      download_dir=cache,
      url_infos=known,
      dataset_name=data.name,
      force_checksums_validation=True,
    )
    size = sum(known[urls[file]].size for file in form.downloads)
    say(f'downloading {", ".join(form.downloads)}, {size / 1e6:.0f} MB')
    reach(urls[form.downloads[0]])
    found: Any = manager.download({file: urls[file] for file in form.downloads})
    return [Path(found[file]) for file in form.downloads]
  except Exception as error:  # its errors have no common class
    raise failed(data.name, error, published.wanted(data)) from error


def failed(name: str, error: Exception, files: str) -> DatasetError:
  """The error for files that cannot be downloaded."""
  why = ' '.join(str(error).split()) or type(error).__name__
  if isinstance(error, ImportError):
    return DatasetError(
      f'{name} is prepared with the package {error.name or why}, which is not '
      "installed; pip install 'elth_jax[tfds]'"
    )
  return DatasetError(
    f'{name} cannot be downloaded ({why[:200]}); bring {files} to a folder, '
    f'and give it: python -m elth_jax.prepare {name} --from=FOLDER'
  )


def reach(url: str) -> None:
  """Raises `ConnectionError` at once if there is no server at a URL.

  A download would try for minutes.
  """
  import requests

  try:
    requests.get(url, stream=True, timeout=TIMEOUT).close()
  except requests.RequestException as error:
    raise ConnectionError(
      f'no connection to {urllib.parse.urlsplit(url).hostname}'
    ) from error
