"""Writes a run's ticket and its trained network as a folder for others.

  elth-jax publish runs/digits resnet32-r0-imp-level06 FOLDER

The folder holds ticket, network and card, as `Ticket.from_pretrained` and the
Hugging Face hub take them.
"""

import argparse
import sys


def parser() -> argparse.ArgumentParser:
  """What the command takes."""
  made = argparse.ArgumentParser(
    prog='elth-jax publish',
    description=__doc__,
    formatter_class=argparse.RawDescriptionHelpFormatter,
  )
  made.add_argument('workdir', help='of a study in which the run has finished')
  made.add_argument('run', help='as in the column `node` of results.csv')
  made.add_argument('folder', help='where ticket, network and card go')
  made.add_argument(
    '--license', default='apache-2.0', help='as the hub names it'
  )
  return made


def main(arguments: list[str] | None = None) -> int:
  given = parser().parse_args(arguments)
  from elth_jax.process.text import say
  from elth_jax.runner.study import Study
  from elth_jax.storage.files import local_path
  from elth_jax.workdir import history

  try:
    study = Study.open(given.workdir)
    ticket, trained = study.ticket(given.run), study.trained(given.run)
    starts = history.starts(study.root / history.NAME)
    commands = [start['command'] for start in starts if start]
    folder = local_path(given.folder, 'folder')
    ticket.save_pretrained(
      folder,
      beside=trained,
      license=given.license,
      command=commands[-1] if commands else '',
    )
  except KeyError as error:  # its text would be in quotes
    say(f'elth_jax: {error.args[0]}', sys.stderr)
    return 1
  except (OSError, ValueError) as error:
    say(f'elth_jax: {error}', sys.stderr)
    return 1
  say(f'{given.run} is in {folder}')
  return 0
