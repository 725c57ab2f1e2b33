"""A study's folder: finished nodes, published whole, and how far others are.

config.json            what was asked for
tickets/<node>.safetensors
runs/<node>/           result.json, trained.safetensors, manifest.json
partial/<node>/        checkpoints of a training run that is not finished
"""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.numpy

from elth_jax.files import sha256, sync_folder, write_atomically
from elth_jax.study.graph import Node
from elth_jax.ticket import Ticket
from elth_jax.trees import PyTree, flatten, unflatten


class StoreError(Exception):
  """A workdir that cannot be used; says which file and what to do."""


class Store:
  """Reads and writes one workdir.

  Raises:
    StoreError: if the folder cannot be made or written to.
  """

  def __init__(self, workdir: Path | str):
    self.root = Path(workdir)
    try:
      self.root.mkdir(parents=True, exist_ok=True)
      probe = self.root / '.writable'
      probe.write_text('')
      probe.unlink()
    except OSError as error:
      raise StoreError(
        f'workdir {workdir} cannot be written to: {error.strerror}; '
        'give another --workdir'
      ) from error

  def finished(self, node: Node) -> bool:
    """Whether the node's product is there.

    Raises:
      StoreError: if what is there was made from something else.
    """
    if not node.makes_ticket:
      manifest = self._folder(node) / 'manifest.json'
      if not manifest.is_file():
        return False
      key = json.loads(manifest.read_text())['key']
    else:
      if not self.ticket_path(node).is_file():
        return False
      key = self.ticket(node).provenance.get('node')
    if key != node.key:
      raise StoreError(
        f'{self.root} holds another {node.name}, made from other settings; '
        'give another --workdir'
      )
    return True

  def publish_ticket(self, node: Node, ticket: Ticket) -> None:
    ticket.save(self.ticket_path(node))
    self._forget_partial(node)

  def publish_run(
    self,
    node: Node,
    result: Mapping[str, Any],
    variables: Mapping[str, PyTree] | None = None,
  ) -> None:
    """Writes the run's folder aside with its manifest, then renames it.

    Args:
      node: what was done.
      result: what it found, as JSON values.
      variables: `params` and `batch_stats` of a trained network.
    """
    folder = self._folder(node)
    aside = folder.with_name(f'.{folder.name}.aside')
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    if variables is not None:
      tensors = safetensors.numpy.save(flatten(variables))
      write_atomically(aside / 'trained.safetensors', tensors)
    write_atomically(aside / 'result.json', _json(result))
    hashes = {
      path.name: {'sha256': sha256(path), 'bytes': path.stat().st_size}
      for path in sorted(aside.iterdir())
    }
    about = {'key': node.key, 'kind': node.kind, 'spec': node.spec}
    manifest = {**about, 'parents': node.parents, 'files': hashes}
    write_atomically(aside / 'manifest.json', _json(manifest))
    os.replace(aside, folder)
    sync_folder(folder.parent)
    self._forget_partial(node)

  def result(self, node: Node) -> dict[str, Any]:
    """What a finished run or analysis reported."""
    return json.loads(self._checked(node, 'result.json').read_text())

  def trained(self, node: Node) -> dict[str, PyTree]:
    """`params` and `batch_stats` at the end of a finished training run."""
    path = self._checked(node, 'trained.safetensors')
    found = unflatten(safetensors.numpy.load_file(path))
    return {'batch_stats': {}, **found}

  def ticket(self, node: Node) -> Ticket:
    return Ticket.load(self.ticket_path(node))

  def ticket_path(self, node: Node) -> Path:
    name = node.name.removesuffix('-ticket')
    return self.root / 'tickets' / f'{name}.safetensors'

  def partial(self, node: Node) -> Path:
    """The folder for checkpoints of a training run."""
    return self.root / 'partial' / node.name

  def log(self, **values: Any) -> None:
    """Adds one line to metrics.jsonl."""
    with (self.root / 'metrics.jsonl').open('a') as file:
      file.write(json.dumps(values) + '\n')

  def write(self, name: str, text: str | bytes) -> None:
    """Writes one of the study's own files, whole."""
    write_atomically(self.root / name, text)

  def read_config(self) -> dict[str, Any] | None:
    """The config of an earlier start, or `None`."""
    path = self.root / 'config.json'
    if not path.is_file():
      return None
    try:
      return json.loads(path.read_text())
    except ValueError as error:
      raise StoreError(f'{path} is damaged ({error}); restore it') from error

  def write_config(self, config: Mapping[str, Any]) -> None:
    self.write('config.json', _json(config))

  def _folder(self, node: Node) -> Path:
    return self.root / 'runs' / node.name

  def _forget_partial(self, node: Node) -> None:
    shutil.rmtree(self.partial(node), ignore_errors=True)

  def _checked(self, node: Node, name: str) -> Path:
    folder = self._folder(node)
    manifest = json.loads((folder / 'manifest.json').read_text())
    path = folder / name
    if not path.is_file() or sha256(path) != manifest['files'][name]['sha256']:
      raise StoreError(
        f'{path} is missing or damaged; remove {folder} and run again to '
        'train it anew'
      )
    return path


def _json(values: Mapping[str, Any]) -> str:
  return json.dumps(values, indent=2, sort_keys=True) + '\n'
