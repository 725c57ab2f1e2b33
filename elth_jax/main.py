"""The command line: python -m elth_jax.main --config=... --workdir=..."""

from elth_jax.process.signals import StopRequest


def main() -> None:
  """Runs the study that the command line describes, and exits."""
  stop = StopRequest()
  from elth_jax.runner import command_line  # slow, so handlers come first

  command_line.run(stop)


if __name__ == '__main__':
  main()
