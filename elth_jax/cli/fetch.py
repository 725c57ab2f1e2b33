"""Copies a study on an object store to a folder, or what is new of it.

  elth-jax fetch s3://my-bucket/studies/digits runs/digits

Nothing changes on the object store, and a study may go on there. The folder is
for all commands that read one, and a study may go on in it. Exit code 0 if
nothing that was to be copied is damaged.
"""

import argparse
import sys


def parser() -> argparse.ArgumentParser:
  """What the command takes."""
  made = argparse.ArgumentParser(
    prog='elth-jax fetch',
    description=__doc__,
    formatter_class=argparse.RawDescriptionHelpFormatter,
  )
  made.add_argument('url', help='of a study: s3://bucket/path')
  made.add_argument('folder', help='where it goes; an earlier copy, or none')
  return made


def main(arguments: list[str] | None = None) -> int:
  given = parser().parse_args(arguments)
  from elth_jax.process.text import counted, say
  from elth_jax.workdir.fetching import fetch
  from elth_jax.workdir.lock import BusyError
  from elth_jax.workdir.store import StoreError

  try:
    found = fetch(given.url, given.folder)
  except (OSError, ValueError, BusyError, StoreError) as error:
    say(f'elth_jax: {error}', sys.stderr)
    return 1
  for text in found.damaged:
    say(f'DAMAGED {text}')
  state = 'is done' if found.closed else 'is not done'
  say(
    f'{counted(found.products, "product")} in {found.root}, {found.taken} of '
    f'them new; the study {state}'
  )
  return 1 if found.damaged else 0
