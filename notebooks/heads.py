"""The first two cells of every notebook: its title, and how to install.

  python notebooks/heads.py

writes them, after a notebook was added or the repository's address
(`elth_jax._version.REPOSITORY`) has changed. With an address there is a badge
that opens the notebook on Colab, and a cell that installs the package there.
"""

import json
from pathlib import Path
from typing import Any

from elth_jax._version import REPOSITORY

FOLDER = Path(__file__).parent
TITLES = {
  'stretch_a_ticket': 'A ticket, stretched, in five minutes',
  'study_on_digits': 'A study on handwritten digits',
  'your_own_model': 'Bring your own Flax model',
  'your_own_loop': 'Your own loop, with masks and RigL',
  'transfer_between_data_sets': 'Transfer between data sets',
}
COLAB = 'https://colab.research.google.com'
NEEDED = """\
# needs elth_jax; in a clone: pip install '.[notebooks]'
import elth_jax

print(elth_jax.__version__)"""


def title_cell(name: str, repository: str = REPOSITORY) -> str:
  """The text of a notebook's first cell.

  Args:
    name: of the notebook's file, without ending.
    repository: address on GitHub, as in `https://github.com/OWNER/NAME`.
  """
  title = f'# {TITLES[name]}'
  if not repository:
    return title
  where = repository.removeprefix('https://github.com/')
  page = f'{COLAB}/github/{where}/blob/main/notebooks/{name}.ipynb'
  return (
    f'{title}\n\n[![Open in Colab]({COLAB}/assets/colab-badge.svg)]({page})'
  )


def install_cell(repository: str = REPOSITORY) -> str:
  """The code of a notebook's second cell.

  The versions of JAX and Flax that Colab has are good enough, and pip leaves
  them alone: another JAX would not match Colab's GPU or TPU plugin.
  """
  if not repository:
    return NEEDED
  return f"""\
try:
  import elth_jax
except ImportError:
  # Colab's own JAX and Flax stay: they match its GPU or TPU
  %pip install -q "elth_jax @ git+{repository}"
  import elth_jax

print(elth_jax.__version__)"""


def with_head(notebook: dict[str, Any], name: str) -> dict[str, Any]:
  """The notebook with these two cells in the place of its own."""
  texts = title_cell(name), install_cell()
  cells = [
    {**cell, 'source': text.splitlines(keepends=True)}
    for cell, text in zip(notebook['cells'], texts, strict=False)
  ]
  return {**notebook, 'cells': [*cells, *notebook['cells'][2:]]}


def main() -> None:
  for name in TITLES:
    path = FOLDER / f'{name}.ipynb'
    notebook = with_head(json.loads(path.read_text('utf-8')), name)
    text = json.dumps(notebook, indent=1, ensure_ascii=False) + '\n'
    path.write_text(text, 'utf-8')


if __name__ == '__main__':
  main()
