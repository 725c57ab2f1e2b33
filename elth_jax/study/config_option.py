"""`--config` of every command: which file it names, and its choice."""

import argparse
from pathlib import Path

from elth_jax.storage.files import local_path
from elth_jax.study import config_file
from elth_jax.study.shipped import find_shipped


def find(text: str) -> tuple[Path, str]:
  """The file that `--config` names, and what stands behind its colon.

  Args:
    text: a path, perhaps with `~`, or the name of a config that comes with the
      package where no file is called so: `elth_table6:cifar10`.

  Raises:
    ValueError: if the path is empty or not on this machine, or nothing is
      called so.
  """
  file, _, choice = text.partition(':')
  if choice.startswith('//'):  # a scheme, as in gs://bucket/config.py
    local_path(text, '--config')
  found = local_path(file, '--config')
  if found.is_file():
    return found, choice
  try:
    return find_shipped(file), choice
  except ValueError as error:
    raise ValueError(f'--config: there is no file {found}; {error}') from None


def add_option(parser: argparse.ArgumentParser) -> None:
  """Adds `--config` to a command that reads what a study has made."""
  parser.add_argument(
    '--config',
    metavar='FILE',
    help='a config (its file, or its name if it comes with the package), or '
    'any other file, that registers families and data sets of your own',
  )


def register_from(text: str | None) -> None:
  """Executes the file of that option, if there is one.

  Raises:
    ValueError: if there is none of that name, or it fails; in one line.
  """
  if text is None:
    return
  path, _ = find(text)
  try:
    config_file.execute(path)
  except Exception as error:  # it may raise anything
    why = ' '.join(str(error).split())
    raise ValueError(f'--config: {type(error).__name__}: {why}') from error
