"""Tickets that come with this library, found by name and without a network.

Each is a folder below `elth_jax/tickets/collection`, as `save_pretrained`
writes it. Its card says which command made it.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from elth_jax.names import unknown
from elth_jax.tickets.value import State

PREFIX = 'elth_jax:'
COLLECTION = Path(__file__).parent / 'collection'


def published_tickets() -> dict[str, dict]:
  """Name -> what config.json says of each, sorted by name."""
  return {
    path.parent.name: json.loads(path.read_bytes())
    for path in sorted(COLLECTION.glob('*/config.json'))
  }


def published_file(
  name: str, files: Mapping[State, str], state: State | None
) -> Path:
  """The file of a ticket that comes with this library.

  Raises:
    FileNotFoundError: if there is none of that name or state; names the
      nearest, and all.
  """
  known = published_tickets()
  if name not in known:
    raise FileNotFoundError(unknown('published ticket', name, known))
  return in_folder(COLLECTION / name, files, state)


def in_folder(
  folder: Path, files: Mapping[State, str], state: State | None
) -> Path:
  """A ticket's file in a folder that `save_pretrained` wrote.

  Raises:
    FileNotFoundError: if it is not there.
  """
  wanted = [files[state]] if state else list(files.values())
  for name in wanted:
    if (folder / name).is_file():
      return folder / name
  raise FileNotFoundError(f'{folder} has no {" or ".join(wanted)}')
