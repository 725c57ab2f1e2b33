"""Verifies a workdir: python -m elth_jax.doctor runs/digits

Compares every file with its hash, says what is damaged or missing and what the
next start would do, and changes nothing. Exit code 0 if nothing is damaged.
"""

import argparse
import logging
import sys
from collections.abc import Sequence

from elth_jax.process.signals import StopRequest
from elth_jax.study import config_option


def parser() -> argparse.ArgumentParser:
  """What the command takes."""
  made = argparse.ArgumentParser(
    prog='elth-jax doctor',
    description=__doc__,
    formatter_class=argparse.RawDescriptionHelpFormatter,
  )
  made.add_argument('workdir', help='folder of a study')
  config_option.add_option(made)
  return made


def main(arguments: list[str] | None = None) -> int:
  given = parser().parse_args(arguments)
  from elth_jax.process.quiet import logging_at
  from elth_jax.process.text import counted, say
  from elth_jax.storage.files import local_path

  try:
    from elth_jax.workdir.inspection import inspect  # JAX reads its environment

    config_option.register_from(given.config)
    with logging_at(logging.ERROR, 'absl'):
      health = inspect(local_path(given.workdir, 'workdir'))
  except (OSError, ValueError) as error:
    say(f'elth_jax: {error}', sys.stderr)
    return 1
  for text in health.damaged:
    say(f'DAMAGED {text}')
  for text in health.remarks:
    say(f'NOTE {text}')
  say(f'{counted(health.checked, "file")} checked, {_found(health.damaged)}')
  for text in health.next:
    say(f'the next start would {text}')
  return 1 if health.damaged else 0


def _found(damaged: Sequence[str]) -> str:
  """How much is damaged, in words."""
  if not damaged:
    return 'no damage'
  if len(damaged) == 1:
    return '1 file is damaged'
  return f'{len(damaged)} files are damaged'


if __name__ == '__main__':
  StopRequest('stopped')
  sys.exit(main())
