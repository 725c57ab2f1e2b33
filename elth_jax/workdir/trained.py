"""Trained sparse networks in a workdir, as tickets of state `trained`.

Earlier versions wrote parameters and statistics alone. Their masks are those of
the ticket that was trained, or what a method that changes masks left.
"""

from pathlib import Path

import numpy as np

from elth_jax.storage import manifest
from elth_jax.storage import tensors as tensors_file
from elth_jax.storage.manifest import DamagedError
from elth_jax.tickets import file as ticket_file
from elth_jax.tickets.ticket import Ticket
from elth_jax.trees import map_named, unflatten
from elth_jax.workdir.record import read_record, read_ticket

TRAINED = 'trained.safetensors'


def ticket_path(root: Path, node: str) -> Path:
  """The file of the ticket that a node made, or that a run trained.

  Args:
    root: the workdir.
    node: its name.
  """
  name = node.removesuffix('-ticket')
  return root / 'tickets' / f'{name}.safetensors'


def trained_ticket(root: Path, run: str) -> str:
  """The name of the ticket which a run trained, as in `ticket_path`.

  A run that was taken from another workdir (`reuse`) names a node of that one;
  the ticket is known by its hash.

  Args:
    root: the workdir.
    run: name of the node.

  Raises:
    DamagedError: naming the file, if the run's manifest or the ticket is
      missing or not what it was.
  """
  record = read_record(root / 'runs' / run)
  name, digest = record['parents']['ticket'], record['hashes']['ticket']
  named = ticket_path(root, name)
  fault = DamagedError(
    root / 'runs' / run, 'was trained from a ticket that is not here any more'
  )
  for path in (named, *sorted((root / 'tickets').glob('[!.]*.safetensors'))):
    try:
      if read_ticket(path)['sha256'] == digest:
        return path.stem
    except DamagedError as error:
      if path == named:
        fault = error
  raise fault


def read_trained(root: Path, run: str, ticket: str = '') -> Ticket:
  """The network at the end of a training run.

  Args:
    root: the workdir.
    run: name of the node.
    ticket: that of the node which made its ticket; found if not given.

  Raises:
    DamagedError: naming the file, if it is missing or not what it was.
  """
  folder = root / 'runs' / run
  content = manifest.read_file(folder, TRAINED)
  metadata = tensors_file.read_header(content).get('__metadata__', {})
  try:
    if ticket_file.METADATA in metadata:
      return Ticket.load(folder / TRAINED)
    return _from_weights(root, run, content, ticket)
  except (FileNotFoundError, ValueError, LookupError) as error:
    raise DamagedError(folder / TRAINED, f'cannot be used: {error}') from error


def _from_weights(root: Path, run: str, content: bytes, name: str) -> Ticket:
  record = read_record(root / 'runs' / run)
  trees = {'batch_stats': {}, **unflatten(tensors_file.decode(content))}
  ticket = Ticket.load(ticket_path(root, name or trained_ticket(root, run)))
  masks = ticket.masks
  if 'dynamic' in record:
    masks = map_named(
      lambda _, mask, leaf: None if mask is None else np.asarray(leaf != 0),
      masks,
      trees['params'],
    )
  return Ticket(
    architecture=ticket.architecture,
    params=trees['params'],
    batch_stats=trees['batch_stats'],
    masks=masks,
    provenance={
      **ticket.provenance,
      **record,
      'parents': {'ticket': ticket.provenance.get('node')},
    },
    state='trained',
  )
