"""The command `elth-jax`; `python -m elth_jax` is the same."""

import sys


def main() -> None:
  """Runs the command that the first word names, and exits."""
  if sys.argv[1:2] == ['run']:  # handles signals from its first moment on
    from elth_jax.main import main as run

    del sys.argv[1]
    return run()
  from elth_jax.cli.commands import run_command

  sys.exit(run_command(sys.argv[1:]))


if __name__ == '__main__':
  main()
