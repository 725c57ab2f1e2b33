"""Takes what other workdirs have finished under the same keys."""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from elth_jax.process.text import counted
from elth_jax.storage import manifest
from elth_jax.storage.files import (
  aside_of,
  local_path,
  sync,
  write_atomically,
  write_once,
)
from elth_jax.storage.manifest import DamagedError
from elth_jax.study.nodes import Node
from elth_jax.workdir.record import read_record
from elth_jax.workdir.store import Store


def folders(text: str) -> list[Path]:
  """The workdirs that an option names.

  Args:
    text: folders with commas between; may be empty.

  Raises:
    ValueError: naming a folder that is no workdir.
  """
  found = [
    local_path(part.strip(), 'reuse') for part in text.split(',') if part
  ]
  for folder in found:
    if not (folder / 'tickets').is_dir() and not (folder / 'runs').is_dir():
      raise ValueError(
        f'reuse: {folder} is no workdir: it has neither tickets nor runs; '
        'give folders of studies, with commas between'
      )
  return found


def take(
  store: Store, nodes: Mapping[str, Node], others: Sequence[Path]
) -> list[str]:
  """Copies products of equal keys into a workdir, each checked and whole.

  A key is the hash of all that determines a product, so that one of another
  study, under another name perhaps, is the same. Other workdirs are only read.

  Args:
    store: the workdir, which other processes may share.
    nodes: its study.
    others: other workdirs, the first with a product gives it.

  Returns:
    Notes: how much was taken from where, and what was damaged there.
  """
  notes = []
  for other in others:
    wanted = {
      node.key: node
      for node in nodes.values()
      if not store.product(node).exists()
    }
    taken = 0
    if other != store.root and wanted:
      for product, key in _products(other, notes):
        node = wanted.pop(key, None)
        taken += node is not None and _copy(product, store, node, notes)
    if taken:
      notes.append(
        f'{counted(taken, "node")} taken from {other}, finished there'
      )
  return notes


def _products(root: Path, notes: list[str]) -> Iterator[tuple[Path, str]]:
  """Products of a workdir with their keys; notes what cannot be read."""
  tickets = sorted((root / 'tickets').glob('[!.]*.safetensors'))
  for path in [*tickets, *sorted((root / 'runs').glob('[!.]*'))]:
    try:
      yield path, str(read_record(path).get('node'))
    except (OSError, DamagedError) as error:
      notes.append(f'{error}; it is not taken')


def _copy(product: Path, store: Store, node: Node, notes: list[str]) -> bool:
  """Copies one product under the node's name; whether it could."""
  into = store.product(node)
  into.parent.mkdir(exist_ok=True)
  aside = aside_of(into)
  try:
    if product.is_file():
      content = product.read_bytes()
      if not store.shared:
        write_atomically(into, content)
      elif not write_once(into, content):
        return False
    else:
      shutil.copytree(product, aside)
      manifest.check(aside)  # the copy, as it will be used
      for path in aside.iterdir():
        sync(path)
      os.replace(aside, into)
      sync(into.parent)
  except (OSError, DamagedError) as error:
    shutil.rmtree(aside, ignore_errors=True)
    if into.exists():  # another process has just published its own
      return False
    notes.append(f'{error}; {node.name} is not taken from {product}')
    return False
  return True
