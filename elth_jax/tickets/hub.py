"""Tickets in folders and on the Hugging Face hub, each with its card.

The hub needs `pip install 'elth_jax[hub]'`; folders need nothing.
"""

import re
import tempfile
from pathlib import Path
from typing import Any

from elth_jax.storage.files import local_path

FILE = 'ticket.safetensors'


def save_pretrained(ticket: Any, folder: Path | str) -> None:
  """Writes the ticket and its card (README.md, a figure) into a folder.

  Raises:
    ValueError: if the folder is not on this machine; see `local_path`.
  """
  from elth_jax.tickets.card import write_card  # loads matplotlib

  folder = local_path(folder, 'folder')
  ticket.save(folder / FILE)
  write_card(ticket, folder, FILE)


def find_ticket(
  name: Path | str, *, revision: str | None = None, **options: Any
) -> Path:
  """The file of a ticket in a folder, or else in a repository of the hub.

  Args:
    name: a folder that `save_pretrained` wrote, or `user/repository`.
    revision: branch, tag or commit of the repository.
    **options: of `huggingface_hub.hf_hub_download`, e.g. `token`.

  Raises:
    FileNotFoundError: if there is no such folder, and no repository is named.
    ImportError: if a repository is named and huggingface_hub is missing.
    ValueError: if the folder is not on this machine; see `local_path`.
  """
  folder = local_path(name, 'name')
  if folder.is_dir():
    return folder / FILE
  if not re.fullmatch(r'[\w.-]+/[\w.-]+', str(name)) or '..' in str(name):
    raise FileNotFoundError(
      f'no folder {name}; give one that save_pretrained wrote, or the name of '
      'a repository, user/repository'
    )
  found = _hub().hf_hub_download(str(name), FILE, revision=revision, **options)
  return Path(found)


def push_to_hub(
  ticket: Any,
  repository: str,
  *,
  private: bool = False,
  revision: str | None = None,
  message: str = 'Add a ticket',
  token: str | None = None,
) -> str:
  """Uploads what `save_pretrained` writes; makes the repository if need be.

  Returns:
    The address of the commit.

  Raises:
    ImportError: if huggingface_hub is missing.
  """
  api = _hub().HfApi(token=token)
  with tempfile.TemporaryDirectory() as folder:
    save_pretrained(ticket, folder)
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
