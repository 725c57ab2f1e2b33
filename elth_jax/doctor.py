"""Verifies a workdir: python -m elth_jax.doctor runs/digits

Compares every file with its hash, says what is damaged or missing and what the
next start would do, and changes nothing. Exit code 0 if nothing is damaged.
"""

import argparse
import logging
import sys
from pathlib import Path


def main(arguments: list[str] | None = None) -> int:
  parser = argparse.ArgumentParser(
    prog='python -m elth_jax.doctor', description=__doc__.splitlines()[0]
  )
  parser.add_argument('workdir', type=Path)
  root = parser.parse_args(arguments).workdir
  from elth_jax.study.inspection import inspect

  logging.getLogger('absl').setLevel(logging.ERROR)
  try:
    health = inspect(root)
  except OSError as error:
    print(f'elth_jax: {error}', file=sys.stderr)
    return 1
  for text in health.damaged:
    print(f'DAMAGED {text}')
  for text in health.remarks:
    print(f'NOTE {text}')
  print(f'{health.checked} files checked, {len(health.damaged)} damages')
  for text in health.next:
    print(f'the next start would {text}')
  return 1 if health.damaged else 0


if __name__ == '__main__':
  sys.exit(main())
