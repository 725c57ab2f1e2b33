"""Verifies a workdir from end to end; changes nothing."""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from elth_jax.datasets import DatasetError
from elth_jax.process import devices
from elth_jax.process.text import counted
from elth_jax.storage import manifest
from elth_jax.storage.files import ASIDE, files_below
from elth_jax.storage.manifest import DamagedError
from elth_jax.study import data
from elth_jax.study.estimate import training_runs
from elth_jax.study.graph import build
from elth_jax.study.keys import mended_since
from elth_jax.study.known_names import check_names
from elth_jax.study.nodes import Node, Run
from elth_jax.study.spec import StudySpec
from elth_jax.tickets import file as ticket_file
from elth_jax.workdir import history, outputs
from elth_jax.workdir.leases import FOLDER
from elth_jax.workdir.lock import is_busy
from elth_jax.workdir.record import changed_data
from elth_jax.workdir.store import Store


@dataclasses.dataclass
class Health:
  """What is known of a workdir.

  Attributes:
    checked: how many files were compared with their hashes.
    damaged: what is damaged, missing or contradicts something else.
    remarks: what is worth knowing, and no damage.
    next: what the next start would do.
  """

  checked: int = 0
  damaged: list[str] = dataclasses.field(default_factory=list)
  remarks: list[str] = dataclasses.field(default_factory=list)
  next: list[str] = dataclasses.field(default_factory=list)


def inspect(root: Path) -> Health:
  """Compares every file with its hash, and the workdir with its config.

  Raises:
    FileNotFoundError: if it is no workdir.
  """
  if not (root / outputs.CONFIG).is_file() and not (root / 'runs').is_dir():
    raise FileNotFoundError(f'{root} is no workdir: it has no config.json')
  health = Health()
  try:
    if is_busy(root) or any((root / FOLDER).glob('owners/[!.]*')):
      health.remarks.append('a process works here now, so this may soon differ')
  except OSError as error:  # of somebody else, perhaps
    health.remarks.append(f'whether a process works here is unknown: {error}')
  sound: set[Path] = set()
  for path, error, files in checks(root):
    health.checked += files
    if error is None:
      sound.add(path)
    else:
      health.damaged.append(error)
  for path in sorted(root.rglob(f'.*{ASIDE}')):
    health.remarks.append(f'{path} was not finished; the next start removes it')
  for path in files_below(root / 'damaged'):
    health.remarks.append(f'{path} was set aside as damaged')
  _compare_with_config(root, health, sound)
  return health


def checks(root: Path) -> Iterator[tuple[Path, str | None, int]]:
  """(what was checked, what is wrong with it or `None`, how many files)."""
  earlier = outputs.inspect(root)
  own = manifest.NAME if (root / manifest.NAME).is_file() else outputs.CONFIG
  errors = [str(error) for error in earlier.damaged]
  for error in errors:
    yield root / own, error, 1
  if not errors:
    yield root / own, None, len(outputs.FILES)
  path = root / history.NAME
  for number, start in enumerate(history.starts(path), 1):
    yield path, None if start else f'{path}: line {number} is damaged', 1
  for path in sorted((root / 'tickets').glob('[!.]*')):
    yield path, _why(ticket_file.read_about, path), 1
  folders = [*(root / 'runs').glob('[!.]*')]
  folders += (root / 'partial').glob('[!.]*/[!.]*')
  for path in sorted(folders):
    yield path, _why(manifest.check, path), len(files_below(path))


def _why(check, path: Path) -> str | None:
  try:
    check(path)
  except (DamagedError, ValueError, OSError) as error:
    return str(error)
  return None


def _compare_with_config(root: Path, health: Health, sound: set[Path]) -> None:
  """What is there of each node of the study, and what is left to do."""
  try:
    config = json.loads((root / outputs.CONFIG).read_bytes())
  except (OSError, ValueError) as error:
    health.damaged.append(f'{root / outputs.CONFIG} cannot be read: {error}')
    return
  try:
    spec = StudySpec.from_config(config)
  except (ValueError, TypeError) as error:
    if root / manifest.NAME in sound:  # it names what is registered elsewhere
      health.remarks.append(f'what is left to do is unknown here: {error}')
    else:
      health.damaged.append(f'{root / outputs.CONFIG} cannot be read: {error}')
    return
  try:
    devices.require()  # networks are traced to know their nodes
    check_names(spec)
    nodes = build(spec, data.load(spec))
  except (DatasetError, devices.DeviceError, ValueError) as error:
    health.remarks.append(f'what is left to do is unknown here: {error}')
    return
  store = Store(root, writable=False)
  done = {name for name, node in nodes.items() if store.product(node) in sound}
  outdated = {name: _mended(nodes[name], store) for name in done}
  done -= {name for name, reason in outdated.items() if reason}
  reasons = sorted(set(filter(None, outdated.values())))
  health.remarks += [f'this changed since: {reason}' for reason in reasons]
  known = set(outputs.inspect(root).nodes)
  for name in done:
    known.update(nodes[name].parents.values())
    health.damaged += _contradictions(nodes[name], nodes, done, store)
  for name in sorted(known - done):
    if name in nodes and not store.product(nodes[name]).exists():
      health.damaged.append(f'{store.product(nodes[name])} is missing')
  _foretell(nodes, done, store, health)


def _mended(node: Node, store: Store) -> str:
  """What was mended since a product was made; empty if nothing."""
  return mended_since(
    str(store.record(node).get('node')), node.earlier, node.key
  )


def _contradictions(
  node: Node, nodes: Mapping[str, Node], done: set[str], store: Store
) -> Iterator[str]:
  """Whether a product is of this config, and of the parents that are here."""
  path = store.product(node)
  record = store.record(node)
  if record.get('node') != node.key:
    if changed := changed_data(node, record):
      yield f'{path} was made from other data: {changed}'
    else:
      yield f'{path} was made from other settings than {outputs.CONFIG} has'
  hashes: Mapping[str, Any] = record.get('hashes', {})
  for role, parent in node.parents.items():
    if parent not in done or role not in hashes:
      continue
    if store.digest(nodes[parent]) != hashes[role]:
      yield f'{path} was made from another {parent} than the one that is here'


def _foretell(
  nodes: Mapping[str, Node], done: set[str], store: Store, health: Health
) -> None:
  failed = outputs.inspect(store.root).failed
  # a run that diverged is done; what failed otherwise is tried again
  undone = {
    n for n in failed if outputs.first_failure(failed, n) in done
  } - done
  left = [n for name, n in nodes.items() if name not in done | undone]
  there = [node for node in left if store.product(node).exists()]
  for node in there:
    health.next.append(f'set aside {store.product(node)} and make it again')
  runs = sum(isinstance(node, Run) for node in left)
  begun = [node.name for node in left if store.partial(node).is_dir()]
  if left:
    health.next.append(
      f'do {len(left)} of {counted(len(nodes), "node")}, {training_runs(runs)}'
    )
  if undone:
    health.next.append(
      f'not do {counted(len(undone), "node")}: a run that diverged is needed'
    )
  for name in begun:
    health.next.append(f'go on with {name} from its last good checkpoint')
  closed = outputs.inspect(store.root).closed
  if left or not closed:
    health.next.append('write results.csv and the report')
  else:
    health.next.append('print the summary; everything is done')
