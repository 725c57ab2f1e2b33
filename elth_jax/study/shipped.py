"""The configs that come with the package, by name: `digits_mlp`, say.

They stand in `configs/` and `experiments/`, beside the package in a clone and
inside it in an installed wheel.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from elth_jax.names import unknown
from elth_jax.study import config_file

if TYPE_CHECKING:
  from ml_collections import ConfigDict

FOLDERS = ('configs', 'experiments')
_PACKAGE = Path(__file__).parent.parent


def shipped_names() -> list[str]:
  """All names: `digits` of `configs/`, `experiments/elth_table6`."""
  return sorted(
    path.stem if path.parent.name == 'configs' else f'{folder}/{path.stem}'
    for folder in FOLDERS
    for path in (_root() / folder).glob('*.py')
  )


def find_shipped(name: str) -> Path:
  """The file of a config that comes with the package.

  Args:
    name: `digits`, `configs/digits.py`, `experiments/elth_table6` or
      `elth_table6`; with or without `.py`.

  Raises:
    ValueError: if there is none; names the nearest, and all.
  """
  stem = name.removesuffix('.py')
  folder, slash, base = stem.rpartition('/')
  folders = [one for one in FOLDERS if not slash or one == folder]
  for one in folders:
    path = _root() / one / f'{base}.py'
    if base.isidentifier() and path.is_file():
      return path
  raise ValueError(unknown('config', stem, shipped_names()))


def load_shipped(name: str, choice: str = '') -> 'ConfigDict':
  """A config that comes with the package, for scripts and notebooks.

  Args:
    name: as `find_shipped` takes it.
    choice: what stands behind the colon on the command line, such as `cifar10`
      in `--config=elth_table6:cifar10`.

  Raises:
    ValueError: if there is no such config, or it has no such choice.
  """
  return config_file.load(find_shipped(name), choice)


def load_all_shipped() -> Iterator['ConfigDict']:
  """Every config of `experiments/`, once for each of its choices."""
  for path in sorted((_root() / 'experiments').glob('*.py')):
    module = config_file.execute(path)
    for choice in getattr(module, 'CHOICES', ('',)):
      yield module.get_config(choice) if choice else module.get_config()


def _root() -> Path:
  """The folder that holds `FOLDERS`: the package, or a clone around it."""
  inside = (_PACKAGE / FOLDERS[0]).is_dir()
  return _PACKAGE if inside else _PACKAGE.parent
