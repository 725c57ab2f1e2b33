"""Runs a study: python -m elth_jax.main --config=... --workdir=...

The same as `elth-jax run ...`; --help names every field of a config.
"""

import sys

from elth_jax.process.signals import StopRequest

HELP = {'-h', '--help', '-help'}


def main() -> None:
  """Runs the study that the command line describes, and exits."""
  stop = StopRequest()
  if HELP & set(sys.argv[1:]):
    from elth_jax.runner import usage

    usage.parser().print_help()
    return
  from elth_jax.runner import command_line  # slow, so handlers come first

  command_line.run(stop)


if __name__ == '__main__':
  main()
