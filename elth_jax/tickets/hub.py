"""Tickets in folders and on the Hugging Face hub, each with its card.

The hub needs `pip install 'elth_jax[hub]'`; folders need nothing.
"""

import json
import re
import tempfile
from pathlib import Path
from typing import Any

from elth_jax.names import unknown
from elth_jax.storage.files import local_path, write_atomically
from elth_jax.tickets.card_metadata import LIBRARY, CardFacts
from elth_jax.tickets.published import PREFIX, in_folder, published_file
from elth_jax.tickets.value import State

FILES: dict[State, str] = {
  'rewound': 'ticket.safetensors',
  'trained': 'trained.safetensors',
}
CONFIG = 'config.json'  # by which the hub counts downloads


def save_pretrained(
  ticket: Any,
  folder: Path | str,
  *,
  beside: Any = None,
  compact: bool = True,
  **facts: Any,
) -> None:
  """Writes a ticket, its card (README.md, a figure) and config.json.

  Args:
    ticket: rewound or trained.
    folder: where they go; it is made if need be.
    beside: the same network in its other state, to be written too; by default
      what the folder holds of it stays, and is on the card.
    compact: write a bit a weight for masks, and only the kept values.
    **facts: `license`, `datasets`, `base_model` and `command`; see
      `card_metadata.CardFacts`.

  Raises:
    TypeError: before anything is written: if a fact is unknown.
    ValueError: likewise, if the folder is not on this machine (see
      `local_path`) or holds another network in the other state, or if both
      tickets are of one state, of two architectures, or of two runs of
      studies by what is on record.
  """
  from elth_jax.tickets.card import write_card  # loads matplotlib

  known = CardFacts.of(**facts)
  folder = local_path(folder, 'folder')
  new = [one for one in (ticket, beside) if one is not None]
  where = 'beside'
  if beside is None and (beside := _in_other_state(ticket, folder)):
    where = str(folder / FILES[beside.state])
  if beside is not None:
    _check_beside(ticket, beside, where)
  for one in new:
    one.save(folder / FILES[one.state], compact=compact)
  both = [ticket] if beside is None else [ticket, beside]
  config = {
    'library': LIBRARY,
    'architecture': dict(ticket.architecture),
    'sparsity': ticket.sparsity,
    'files': {one.state: FILES[one.state] for one in both},
  }
  write_atomically(folder / CONFIG, json.dumps(config, indent=2) + '\n')
  write_card(
    ticket,
    folder,
    FILES[ticket.state],
    facts=known,
    beside=beside,
    beside_file='' if beside is None else FILES[beside.state],
  )


def _in_other_state(ticket: Any, folder: Path) -> Any:
  """The ticket of the other state that the folder holds, or `None`."""
  for state, name in FILES.items():
    if state != ticket.state and (folder / name).exists():
      return type(ticket).load(folder / name)
  return None


def _check_beside(ticket: Any, beside: Any, where: str) -> None:
  """Two tickets in one folder are one network's, each in its own state."""
  if ticket.state == beside.state:
    raise ValueError(f'both tickets are {ticket.state}; give one of each state')
  one, other = (
    json.dumps(t.architecture, sort_keys=True, default=dict)
    for t in (ticket, beside)
  )
  if one != other:
    raise ValueError(
      f'{where} is of {beside.architecture["name"]} and the ticket of '
      f'{ticket.architecture["name"]}, or their sizes differ: a folder holds '
      'two states of one network; give another folder'
    )
  rewound, trained = sorted((ticket, beside), key=lambda t: t.state)
  node = rewound.provenance.get('node')
  began_as = (trained.provenance.get('parents') or {}).get('ticket', node)
  if node and node != began_as:
    raise ValueError(
      f'{where} and the ticket are of two runs: the trained network began as '
      'another ticket; give that one, or another folder'
    )


def find_ticket(
  name: Path | str,
  *,
  state: State | None = None,
  revision: str | None = None,
  **options: Any,
) -> Path:
  """The file of a ticket: published with this library, in a folder, or hub.

  Args:
    name: `elth_jax:NAME` for one that comes with this library (see
      `published`), a folder that `save_pretrained` wrote, or `user/repository`.
    state: `rewound` or `trained`; by default the rewound one, or of a folder
      the trained one where that is alone.
    revision: branch, tag or commit of the repository.
    **options: of `huggingface_hub.hf_hub_download`, e.g. `token`.

  Raises:
    FileNotFoundError: if there is no such folder, and no repository is named.
    ImportError: if a repository is named and huggingface_hub is missing.
    ValueError: if the folder is not on this machine (see `local_path`), or
      the state is unknown.
  """
  if state not in (None, *FILES):
    raise ValueError(unknown('state', str(state), FILES))
  if str(name).startswith(PREFIX):
    return published_file(str(name).removeprefix(PREFIX), FILES, state)
  folder = local_path(name, 'name')
  if folder.is_dir():
    return in_folder(folder, FILES, state)
  if folder.is_file():
    raise FileNotFoundError(f'{name} is a file; Ticket.load reads it')
  if not re.fullmatch(r'[\w.-]+/[\w.-]+', str(name)) or '..' in str(name):
    raise FileNotFoundError(
      f'no folder {name}; give one that save_pretrained wrote, the name of a '
      f'repository, user/repository, or {PREFIX}NAME'
    )
  file = FILES[state or 'rewound']
  found = _hub().hf_hub_download(str(name), file, revision=revision, **options)
  return Path(found)


def push_to_hub(
  ticket: Any,
  repository: str,
  *,
  private: bool = False,
  revision: str | None = None,
  message: str = 'Add a ticket',
  token: str | None = None,
  **options: Any,
) -> str:
  """Uploads what `save_pretrained` writes; makes the repository if need be.

  A ticket of the other state that the repository has stays there; give
  `beside` to replace it.

  Args:
    ticket: what is uploaded.
    repository: `user/repository`.
    private: whether it is, if it is made.
    revision: branch to upload to.
    message: of the commit.
    token: of the user; by default the one that is logged in.
    **options: of `save_pretrained`: `beside`, `compact`, `license`, `datasets`,
      `base_model`.

  Returns:
    The address of the commit.

  Raises:
    ImportError: if huggingface_hub is missing.
  """
  api = _hub().HfApi(token=token)
  with tempfile.TemporaryDirectory() as folder:
    save_pretrained(ticket, folder, **options)
    api.create_repo(repository, private=private, exist_ok=True)
    commit = api.upload_folder(
      repo_id=repository,
      folder_path=folder,
      revision=revision,
      commit_message=message,
    )
  return commit.commit_url


def _hub() -> Any:
  try:
    import huggingface_hub
  except ImportError as error:
    raise ImportError(
      "the hub needs huggingface_hub: pip install 'elth_jax[hub]'"
    ) from error
  return huggingface_hub
