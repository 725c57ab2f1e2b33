"""What a product in a workdir tells of itself: its record."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from elth_jax.reading import as_json
from elth_jax.storage import manifest
from elth_jax.storage.manifest import DamagedError
from elth_jax.study.nodes import Node, Run
from elth_jax.tickets import file as ticket_file


def read_record(product: Path) -> dict[str, Any]:
  """What a product is about, its settings, and what it was made from.

  Args:
    product: a ticket's file, which is checked, or a folder, whose manifest
      alone is.

  Returns:
    Plain values by name, in one form for all products. `node` is the key;
    `parents` and `hashes` are by role.

  Raises:
    DamagedError: naming the file, if it is missing or not what it was.
  """
  if product.suffix == '.safetensors':
    return dict(read_ticket(product)['provenance'])
  found = dict(manifest.read(product)['about'])
  settings = dict(found.pop('spec', {}))
  return {**settings.pop('about', {}), **settings, **found}


def changed_data(node: Node, record: Mapping[str, Any]) -> str:
  """How a run's data set differs from what a product was trained on.

  Args:
    node: the run as it is now.
    record: of its product.

  Returns:
    A few words; empty if nothing differs, or another data set is named.
  """
  if not isinstance(node, Run):
    return ''
  now = as_json(node.data)
  if record.get('dataset') != now['dataset']:
    return ''
  changes = [
    'other images or labels'
    if name == 'sha256'
    else f'{name} was {record.get(name)}, now {value}'
    for name, value in now.items()
    if record.get(name) != value
  ]
  if not changes:
    return ''
  return f'the data set {now["dataset"]!r} has changed: {", ".join(changes)}'


def read_ticket(path: Path) -> dict[str, Any]:
  """The metadata of a ticket's file: `provenance`, `sha256` and others.

  Raises:
    DamagedError: naming the file, if it is missing or not what it was.
  """
  try:
    found = ticket_file.read_about(path)
    return {**found, 'provenance': dict(found['provenance'])}
  except (FileNotFoundError, ValueError, LookupError, TypeError) as error:
    why = error.__cause__ or error  # the cause does not name the file again
    raise DamagedError(path, f'cannot be used: {why}') from error
