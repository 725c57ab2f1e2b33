"""The study's own files: what a manifest in the workdir says of them.

While a study is open, the manifest covers the config alone. Once it is done,
it covers the results, the report, its figures and the log, and names every
finished node with its hash.
"""

import dataclasses
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from elth_jax.process.text import counted
from elth_jax.storage import manifest
from elth_jax.storage.files import files_below
from elth_jax.storage.manifest import DamagedError
from elth_jax.workdir.store import Store

CONFIG = 'config.json'
FIGURES = 'figures'
FILES = (CONFIG, 'results.csv', 'report.html', 'metrics.jsonl')


def write_config(store: Store, config: Mapping[str, Any]) -> None:
  """Writes the config, and opens the study."""
  store.write(CONFIG, manifest.to_json(config))
  reopen(store)


def holds_config(store: Store, config: Mapping[str, Any]) -> bool:
  """Whether the study of the workdir is this one, and no larger one."""
  return store.holds(CONFIG, manifest.to_json(config))


def reopen(store: Store) -> None:
  """Says that there is work to do: files other than the config may change."""
  store.write(manifest.NAME, open_seal(store))


def open_seal(store: Store) -> str:
  """The manifest that `reopen` writes."""
  files = manifest.entries(store.root, [store.root / CONFIG])
  return manifest.sealed({'about': {}, 'files': files})


def join_metrics(store: Store) -> None:
  """Joins what runs logged apart; a study that was closed is open then."""
  if store.metrics.has_parts():
    if (store.root / CONFIG).is_file():
      reopen(store)
    store.metrics.join()


def close(
  store: Store, nodes: Mapping[str, str], failed: Mapping[str, str]
) -> None:
  """Seals a study that is done.

  Args:
    store: the workdir.
    nodes: finished node -> hash of what it made.
    failed: node -> why it failed.
  """
  files = [store.root / name for name in FILES]
  files += files_below(store.root / FIGURES)
  about = {'nodes': dict(nodes), 'failed': dict(failed)}
  manifest.seal(store.root, about, [path for path in files if path.is_file()])


def read_config(
  store: Store, asked: Mapping[str, Any]
) -> tuple[dict[str, Any] | None, list[str]]:
  """The config of an earlier start, if there is a good one, and notes.

  Damaged files are set aside. A config that differs from the manifest but is
  the one asked for was written just before a kill, and is no damage.
  """
  path, seal = store.root / CONFIG, store.root / manifest.NAME
  as_asked = holds_config(store, asked)
  notes = []
  try:
    if not path.exists() and not seal.exists():
      return None, []
    return json.loads(manifest.read_file(store.root, CONFIG)), []
  except DamagedError as error:
    if error.path == path and not as_asked:
      notes.append(f'{error}; what is finished is compared with this start')
    elif error.path == seal and (seal.exists() or store.has_results()):
      notes.append(f'{error}; it is written anew')
    if notes and error.path.exists():
      notes[0] += f'; it is now {store.set_aside(error.path)}'
    if error.path == seal and path.exists():
      return _parsed(path), notes
    return None, notes


def _parsed(path: Path) -> dict[str, Any] | None:
  """A config of which nobody knows the hash."""
  try:
    return dict(json.loads(path.read_bytes()))
  except (ValueError, TypeError):
    return None


@dataclasses.dataclass(frozen=True)
class Earlier:
  """What an earlier start left.

  Attributes:
    nodes: finished node -> hash of what it made; empty if it was not done.
    failed: node -> why it failed.
    damaged: what is wrong with the study's own files.
    closed: whether it was done, and all its files are whole.
  """

  nodes: Mapping[str, str]
  failed: Mapping[str, str]
  damaged: tuple[DamagedError, ...]
  closed: bool


def inspect(root: Path) -> Earlier:
  """Compares the study's own files with the manifest, where there is one."""
  try:
    found = manifest.read(root)
  except DamagedError as error:
    there = (root / manifest.NAME).is_file()
    return Earlier({}, {}, (error,) if there else (), False)
  about, damaged = found['about'], []
  for name in found['files']:
    try:
      manifest.read_file(root, name)
    except DamagedError as error:
      damaged.append(error)
  return Earlier(
    about.get('nodes', {}),
    about.get('failed', {}),
    tuple(damaged),
    'nodes' in about and not damaged,
  )


def failed_since(parent: str) -> str:
  """Why a node failed that was never begun: a parent of it failed."""
  return f'needs {parent}, which failed'


def failures(failed: Mapping[str, str]) -> Iterator[str]:
  """What failed of itself, a line each, and how many nodes need it.

  Args:
    failed: node -> why it failed.
  """
  lost = Counter(first_failure(failed, name) for name in failed)
  for name, count in lost.items():
    more = f'; {counted(count - 1, "node")} need it' if count > 1 else ''
    yield f'FAILED {name}: {failed.get(name, "")}{more}'


def first_failure(failed: Mapping[str, str], name: str) -> str:
  """The node that failed of itself, and that a failed node needs, or is."""
  parent = failed[name].removeprefix('needs ').removesuffix(', which failed')
  if parent in failed and failed[name] == failed_since(parent):
    return first_failure(failed, parent)
  return name
