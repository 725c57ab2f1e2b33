"""Config files: executed, for their config and for what they register.

A file may import what stands beside it.
"""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
  from ml_collections import ConfigDict


def load(path: Path, choice: str = '') -> 'ConfigDict':
  """The config of a file.

  Args:
    path: of the file, which has `get_config()`.
    choice: what stands behind the colon in `--config=elth_table6:cifar10`.

  Raises:
    FileNotFoundError: if there is no such file.
    Exception: whatever the file raises.
  """
  module = execute(path)
  return module.get_config(choice) if choice else module.get_config()


def execute(path: Path) -> ModuleType:
  """Executes a config's file, for what it registers.

  Raises:
    FileNotFoundError: if there is no such file.
    Exception: whatever the file raises.
  """
  found = importlib.util.spec_from_file_location(path.stem, path)
  if not path.is_file() or found is None or found.loader is None:
    raise FileNotFoundError(f'there is no config {path}')
  search_beside(path)
  module = importlib.util.module_from_spec(found)
  found.loader.exec_module(module)
  return module


def search_beside(path: Path) -> None:
  """Lets a config import what stands beside it, after all that is installed."""
  folder = str(path.absolute().parent)
  if folder not in sys.path:
    sys.path.append(folder)
