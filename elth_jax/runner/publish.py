"""Writes a run's ticket and trained network as a folder for others."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from elth_jax.runner.study import Study
from elth_jax.storage.files import local_path
from elth_jax.workdir import history


def main(arguments: Sequence[str] | None = None) -> None:
  """`python -m elth_jax.runner.publish WORKDIR RUN FOLDER`."""
  parser = argparse.ArgumentParser(
    prog='python -m elth_jax.runner.publish', description=__doc__
  )
  parser.add_argument('workdir', help='of a finished study')
  parser.add_argument('run', help='as in the column `node` of results.csv')
  parser.add_argument('folder', help='where ticket, network and card go')
  parser.add_argument('--license', default='apache-2.0')
  given = parser.parse_args(arguments)
  try:
    folder = publish(given.workdir, given.run, given.folder, given.license)
  except KeyError as error:  # its text would be in quotes
    sys.exit(f'elth_jax: {error.args[0]}')
  except (OSError, ValueError) as error:
    sys.exit(f'elth_jax: {error}')
  print(f'{given.run} is in {folder}')


def publish(
  workdir: Path | str, run: str, folder: Path | str, license: str
) -> Path:
  """Writes what a run started from and what came out, with a card.

  Args:
    workdir: of a study in which the run has finished.
    run: its name.
    folder: where they go.
    license: as the hub names it.

  Returns:
    The folder.

  Raises:
    FileNotFoundError, KeyError, ValueError: as `Study.open`, `Study.ticket` and
      `Study.trained` do.
  """
  study = Study.open(workdir)
  ticket, trained = study.ticket(run), study.trained(run)
  into = local_path(folder, 'folder')
  starts = history.starts(study.root / history.NAME)
  commands = [start['command'] for start in starts if start]
  ticket.save_pretrained(
    into,
    beside=trained,
    license=license,
    command=commands[0] if commands else '',
  )
  return into


if __name__ == '__main__':
  main()
