"""A study's folder: finished nodes, published whole, and how far others are.

config.json            what was asked for
tickets/<node>.safetensors
runs/<node>/           result.json, trained.safetensors, manifest.json
partial/<node>/        checkpoints of a training run that is not finished
metrics/<node>.<number>.jsonl  what it logs, where processes share the workdir
damaged/               what was found damaged, under the same names
outdated/              what was made before a method was mended, likewise
manifest.json          hashes of the study's own files; see `outputs`
"""

import contextlib
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from elth_jax.process.text import say
from elth_jax.storage import manifest
from elth_jax.storage.files import (
  ASIDE,
  files_below,
  local_path,
  remove_folder,
  sha256,
  sync,
  utf8,
  write_atomically,
  write_once,
  writing,
)
from elth_jax.storage.manifest import DamagedError
from elth_jax.study.keys import mended_since
from elth_jax.study.nodes import Node, Run, TicketNode
from elth_jax.tickets.ticket import Ticket
from elth_jax.versions import versions
from elth_jax.workdir.leases import Leases
from elth_jax.workdir.metrics import Metrics
from elth_jax.workdir.no_leases import NoLeases
from elth_jax.workdir.record import changed_data, read_record, read_ticket
from elth_jax.workdir.trained import TRAINED, read_trained, ticket_path

RESULT = 'result.json'
OUTDATED = 'outdated'


class StoreError(Exception):
  """A workdir that cannot be used; says which file and what to do."""


class OutdatedError(DamagedError):
  """A product of a method that has been mended since."""


class Store:
  """Reads and writes one workdir.

  Whatever is read is compared with the hash that was written with it;
  `DamagedError` names a file that is not what it was.

  Args:
    workdir: the study's folder.
    writable: whether it is made and will be written to.

  Attributes:
    kernels: what to record of the C++ kernels that compute; '' for none.
    leases: of this process, where others work in the same workdir.
    metrics: what training runs log.
    notes: what was found damaged before the study began.
    on_published: told where a product has appeared.
    on_outdated: told where one was set aside, to be made again.

  Raises:
    StoreError: if the folder is not on this machine, or cannot be made or
      written to.
  """

  def __init__(self, workdir: Path | str, writable: bool = True):
    try:
      self.root = local_path(workdir, 'workdir')
    except ValueError as error:
      raise StoreError(str(error)) from error
    self.kernels = ''
    self.leases: Leases | NoLeases = NoLeases()
    self.metrics = Metrics(self.root)
    self.notes: list[str] = []
    self.on_published: Callable[[Path], None] = lambda path: None
    self.on_outdated: Callable[[Path], None] = lambda path: None
    if writable:
      self.make()

  def make(self) -> None:
    """Makes the folder where there is none, and checks that it is writable.

    Raises:
      StoreError: if it cannot be made or written to.
    """
    try:
      self.root.mkdir(parents=True, exist_ok=True)
      probe = self.root / '.writable'
      probe.write_bytes(b'')
      probe.unlink(missing_ok=True)  # another process may probe too
    except OSError as error:
      raise StoreError(
        f'workdir {self.root} cannot be written to: {error.strerror}; '
        'give another --workdir'
      ) from error

  def sweep(self) -> None:
    """Removes what was being written when an earlier process ended."""
    for pattern in ('.', 'runs', 'tickets', 'figures', 'partial', 'partial/*'):
      for path in self.root.glob(f'{pattern}/.*{ASIDE}'):
        if path.is_dir():
          shutil.rmtree(path)
        else:
          path.unlink()

  def finished(self, node: Node) -> bool:
    """Whether the node's product is there, and whole.

    Raises:
      StoreError: if what is there was made from something else.
      OutdatedError: if it was made before its method was mended.
      DamagedError: if it is damaged.
    """
    product = self.product(node)
    if not product.exists():
      return False
    record = self.record(node)
    key = str(record.get('node'))
    if reason := mended_since(key, node.earlier, node.key):
      raise OutdatedError(product, f'was made before this changed: {reason}')
    if key != node.key:
      if changed := changed_data(node, record):
        raise StoreError(
          f'{self.root} holds another {node.name}: {changed}; restore the '
          'data, or give another --workdir'
        )
      raise StoreError(
        f'{self.root} holds another {node.name}, made from other settings or '
        'before keys had their present form; give another --workdir'
      )
    return True

  def product(self, node: Node) -> Path:
    """Where the node's product is: a ticket's file, or a folder."""
    if isinstance(node, TicketNode):
      return self.ticket_path(node)
    return self._folder(node)

  def products(self) -> set[Path]:
    """All products that are there, of this study or not."""
    folders = (self.root / 'tickets', self.root / 'runs')
    return {path for folder in folders for path in folder.glob('[!.]*')}

  def publish_ticket(self, node: Node, ticket: Ticket) -> None:
    """Writes a ticket; where processes share the workdir, the first one's."""
    if not self.shared:
      ticket.save(self.ticket_path(node))
    else:
      self.ticket_path(node).parent.mkdir(exist_ok=True)
      content = ticket.to_bytes()
      if not write_once(self.ticket_path(node), content):
        self._come_late(node, hashlib.sha256(content).hexdigest())
        return
    self.on_published(self.ticket_path(node))
    self.forget_partial(node)

  def publish_run(
    self,
    node: Node,
    result: Mapping[str, Any],
    hashes: Mapping[str, str],
    trained: Ticket | None = None,
  ) -> None:
    """Writes the run's folder aside with its manifest, then renames it.

    Args:
      node: what was done.
      result: what it found, as JSON values.
      hashes: role of a parent -> hash of what it made.
      trained: the network at the end of a training run.
    """
    about = {
      'node': node.key,
      'kind': node.kind,
      'spec': {**node.record(), 'about': node.subject.columns()},
      'parents': node.parents,
      'hashes': dict(hashes),
      'versions': versions(self.kernels),
    }

    def fill(aside: Path) -> None:
      if trained is not None:
        (aside / TRAINED).write_bytes(trained.to_bytes())
      (aside / RESULT).write_bytes(utf8(manifest.to_json(result)))

    made: dict[str, str] = {}

    def fill_and_note(aside: Path) -> None:
      fill(aside)
      made.update({path.name: sha256(path) for path in files_below(aside)})

    try:
      manifest.publish(self._folder(node), about, fill_and_note)
    except OSError:
      if not self.shared or not self._folder(node).exists():
        raise
      self._come_late(node, made[TRAINED if TRAINED in made else RESULT])
      return
    self.on_published(self._folder(node))
    self.forget_partial(node)

  @property
  def shared(self) -> bool:
    """Whether other processes may write to the workdir too."""
    return isinstance(self.leases, Leases)

  def _come_late(self, node: Node, digest: str) -> None:
    """Drops what another process has published meanwhile."""
    published = self.product(node)
    theirs = sha256(published) if published.is_file() else self.digest(node)
    if theirs != digest:
      say(
        f'NOTE {node.name} was made twice, and differs; the first one, '
        f'{published}, stays',
        sys.stderr,
      )

  def result(self, node: Node) -> dict[str, Any]:
    """What a finished run or analysis reported."""
    return json.loads(manifest.read_file(self._folder(node), RESULT))

  def trained(self, node: Run) -> Ticket:
    """The network at the end of a finished training run."""
    return read_trained(self.root, node.name, node.parents['ticket'])

  def ticket(self, node: Node) -> Ticket:
    path = self.ticket_path(node)
    try:
      return Ticket.load(path)
    except (FileNotFoundError, ValueError) as error:
      raise DamagedError(
        path, f'cannot be used: {error.__cause__ or error}'
      ) from error

  def ticket_path(self, node: Node) -> Path:
    return ticket_path(self.root, node.name)

  def digests(self, nodes: Mapping[str, Node], node: Node) -> dict[str, str]:
    """Role -> hash of what each parent of a node made."""
    return {r: self.digest(nodes[name]) for r, name in node.parents.items()}

  def digest(self, node: Node) -> str:
    """The SHA-256 of what a finished node made: its ticket or its weights."""
    if isinstance(node, TicketNode):
      return read_ticket(self.ticket_path(node))['sha256']
    files = manifest.read(self._folder(node))['files']
    return files[TRAINED if TRAINED in files else RESULT]['sha256']

  def record(self, node: Node) -> dict[str, Any]:
    """What a product tells of itself, once all of it was checked.

    Raises:
      DamagedError: if it is damaged.
    """
    if not isinstance(node, TicketNode):
      manifest.check(self._folder(node))
    return read_record(self.product(node))

  def partial(self, node: Node) -> Path:
    """The folder for checkpoints of a training run."""
    return self.root / 'partial' / node.name

  def forget_partial(self, node: Node) -> None:
    """Removes the checkpoints of a run that is finished."""
    # another process may remove them at the same time
    with contextlib.suppress(*[OSError] * self.shared):
      remove_folder(self.partial(node))

  def forget_partials(self) -> None:
    """Removes the checkpoints of all runs."""
    remove_folder(self.root / 'partial')

  def set_aside(self, path: Path, folder: str = 'damaged') -> Path:
    """Moves what cannot be used below a folder; returns where it is now."""
    below = path.relative_to(self.root)
    aside, number = self.root / folder / below, 1
    while aside.exists():
      number += 1
      aside = aside.with_name(f'{below.name}.{number}')
    with writing(aside):
      aside.parent.mkdir(parents=True, exist_ok=True)
      os.replace(path, aside)
      sync(aside.parent)
      sync(path.parent)
    if folder == OUTDATED:
      self.on_outdated(path)
    return aside

  def begin_metrics(self, node: Node, step: int) -> None:
    """Before a run goes on from a step; its log may need a file of its own."""
    if isinstance(self.leases, Leases):
      number = self.leases.number(node.name)
      self.metrics.begin_own(node.name, number, step)

  def write(self, name: str, text: str | bytes) -> None:
    """Writes one of the study's own files, whole."""
    write_atomically(self.root / name, text)

  def holds(self, name: str, text: str) -> bool:
    """Whether one of the study's own files has exactly this text."""
    path = self.root / name
    return path.is_file() and path.read_bytes() == utf8(text)

  def has_results(self) -> bool:
    """Whether anything was finished here."""
    folders = (self.root / 'tickets', self.root / 'runs')
    return any(any(folder.glob('[!.]*')) for folder in folders)

  def _folder(self, node: Node) -> Path:
    return self.root / 'runs' / node.name
