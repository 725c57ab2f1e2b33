"""What was reproduced, claim by claim: a page from finished workdirs.

  python -m elth_jax.reproduction runs/elth_* --into=docs

Writes docs/reproduction.md, with figures for each study, from the results,
configs and histories of workdirs whose configs name a paper. Changes nothing in
them. What the page was written from is kept in docs/results, in a folder for
each study, and these folders can be given in place of workdirs:

  python -m elth_jax.reproduction docs/results/* --into=docs \
    --claims=experiments/claims.csv

Studies are judged by the claims of their own configs. Where the package's
configs have changed since, --restate takes the claims that those state now.
"""

import argparse
import logging
import sys

from elth_jax.process.signals import StopRequest


def parser() -> argparse.ArgumentParser:
  """What the command takes."""
  made = argparse.ArgumentParser(
    prog='elth-jax reproduce',
    description=__doc__,
    formatter_class=argparse.RawDescriptionHelpFormatter,
  )
  made.add_argument('workdirs', nargs='+', help='folders of finished studies')
  made.add_argument(
    '--into', default='docs', help='folder of the page; by default docs'
  )
  made.add_argument('--claims', help='the list of all claims of the papers')
  made.add_argument(
    '--restate',
    action='store_true',
    help="judge by the claims of the package's configs as they are now",
  )
  return made


def main(arguments: list[str] | None = None) -> int:
  options = parser().parse_args(arguments)
  from elth_jax.process.devices import DeviceError
  from elth_jax.process.quiet import logging_at
  from elth_jax.process.text import say
  from elth_jax.report.reproduction import write
  from elth_jax.statistics import mixed
  from elth_jax.storage.manifest import DamagedError

  try:
    with logging_at(logging.ERROR, 'absl'):
      page = write(
        options.workdirs, options.into, options.claims, options.restate
      )
  except (OSError, ValueError, DamagedError, DeviceError) as error:
    say(f'elth_jax: {error}', sys.stderr)
    return 1
  if not mixed.is_installed():
    say(
      'NOTE the page has no mixed models, since statsmodels is not installed; '
      "pip install 'elth_jax[statistics]'",
      sys.stderr,
    )
  say(str(page))
  return 0


if __name__ == '__main__':
  StopRequest('stopped')
  sys.exit(main())
