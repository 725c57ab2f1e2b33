"""What hatchling adds to the metadata: addresses, and a README that is alone.

Both follow from `REPOSITORY` in elth_jax/_version.py. While it is empty there
are no addresses, and the README's links to files of the clone become text.
"""

import re
from pathlib import Path

from hatchling.metadata.plugin.interface import MetadataHookInterface

LINK = re.compile(r'\[([^\]]+)\]\((?!https?:|mailto:|#)([^)\s]+)\)')


class CustomMetadataHook(MetadataHookInterface):
  """Read by hatchling, by this name."""

  def update(self, metadata: dict) -> None:
    root = Path(self.root)
    names: dict = {}
    exec((root / 'elth_jax/_version.py').read_text('utf-8'), names)
    repository = names['REPOSITORY']
    metadata['readme'] = {
      'content-type': 'text/markdown',
      'text': readme((root / 'README.md').read_text('utf-8'), repository),
    }
    metadata['urls'] = urls(repository)


def readme(text: str, repository: str) -> str:
  """The README as a package index shows it.

  Args:
    text: Markdown whose links lead to files of the clone.
    repository: address on GitHub; empty if it is not known.
  """
  if not repository:
    return LINK.sub(r'\1', text)
  return LINK.sub(rf'[\1]({repository}/blob/main/\2)', text)


def urls(repository: str) -> dict[str, str]:
  """The addresses that a package index lists."""
  if not repository:
    return {}
  return {
    'Repository': repository,
    'Issues': f'{repository}/issues',
    'Changelog': f'{repository}/blob/main/CHANGELOG.md',
  }
