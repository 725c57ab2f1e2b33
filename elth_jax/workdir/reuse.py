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
from elth_jax.workdir.store import OUTDATED, OutdatedError, Store


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
) -> tuple[list[str], list[str]]:
  """Copies products of equal keys into a workdir, each checked and whole.

  A key is the hash of all that determines a product, so that one of another
  study, under another name perhaps, is the same but for rounding, which depends
  on the machine. So that rounding does not mix, a product is taken only if its
  parents here are, bit for bit, those that it was made from. Other workdirs are
  only read.

  Args:
    store: the workdir, which other processes may share.
    nodes: its study, parents first.
    others: other workdirs, the first with a product gives it.

  Returns:
    The names of the nodes that were taken; and notes: how much was taken from
    where, and what was damaged there or here.
  """
  all_taken: list[str] = []
  notes: list[str] = []
  for other in others:
    if other == store.root:
      continue
    found = {key: product for product, key in _products(other, notes)}
    taken: list[str] = []
    strange = 0
    for node in nodes.values():
      if node.key not in found or _is_here(store, node, notes):
        continue
      product = found[node.key]
      if not _has_our_parents(product, store, nodes, node):
        strange += 1
      elif _copy(product, store, node, notes):
        taken.append(node.name)
    if taken:
      notes.append(
        f'{counted(len(taken), "node")} taken from {other}, finished there'
      )
    if strange:
      notes.append(
        f'{counted(strange, "node")} of {other} not taken: made from other '
        'parents than are here'
      )
    all_taken += taken
  return all_taken, notes


def offered(nodes: Mapping[str, Node], others: Sequence[Path]) -> set[str]:
  """The names of nodes of which other workdirs have products, unchecked."""
  keys = {key for other in others for _, key in _products(other, [])}
  return {name for name, node in nodes.items() if node.key in keys}


def _products(root: Path, notes: list[str]) -> Iterator[tuple[Path, str]]:
  """Products of a workdir with their keys; notes what cannot be read."""
  tickets = sorted((root / 'tickets').glob('[!.]*.safetensors'))
  for path in [*tickets, *sorted((root / 'runs').glob('[!.]*'))]:
    try:
      yield path, str(read_record(path).get('node'))
    except (OSError, DamagedError) as error:
      notes.append(f'{error}; it is not taken')


def _is_here(store: Store, node: Node, notes: list[str]) -> bool:
  """Whether a product is finished here; one that is damaged is set aside."""
  try:
    return store.finished(node)
  except DamagedError as error:
    folder = OUTDATED if isinstance(error, OutdatedError) else 'damaged'
    aside = store.set_aside(store.product(node), folder)
    notes.append(f'{error}; it is now {aside}')
    return False


def _has_our_parents(
  product: Path, store: Store, nodes: Mapping[str, Node], node: Node
) -> bool:
  hashes = read_record(product).get('hashes', {})
  try:
    return store.digests(nodes, node) == hashes
  except (OSError, DamagedError):  # a parent is not here, or set aside later
    return False


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
