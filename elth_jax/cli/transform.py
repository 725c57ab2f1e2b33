"""Stretches or squeezes a ticket to another network of its family, as a file.

  elth-jax transform runs/digits/tickets/resnet20-r0-imp-level06.safetensors \
    resnet32 resnet32.safetensors
  elth-jax transform elth_jax:resnet20-digits resnet56 resnet56.safetensors \
    --order='interpolate x2, append'

SOURCE is a ticket's file, a folder that `save_pretrained` wrote, or a ticket
that comes with the package. `elth-jax explain` says what the same does.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from elth_jax.study import config_option

if TYPE_CHECKING:
  from elth_jax.tickets.ticket import Ticket


def parser() -> argparse.ArgumentParser:
  """What the command takes."""
  made = argparse.ArgumentParser(
    prog='elth-jax transform',
    description=__doc__,
    formatter_class=argparse.RawDescriptionHelpFormatter,
  )
  made.add_argument('source', help="a ticket's file, folder or name")
  made.add_argument('target', help='the network wanted, of the same family')
  made.add_argument('file', help='where the new ticket goes; none may be there')
  add_options(made)
  return made


def add_options(made: argparse.ArgumentParser) -> None:
  """Adds what `explain` takes too: `--order` and `--config`."""
  made.add_argument(
    '--order',
    default='append',
    help='the rule by which units are copied or dropped; by default append',
  )
  config_option.add_option(made)


def main(arguments: list[str] | None = None) -> int:
  given = parser().parse_args(arguments)
  os.environ.setdefault('JAX_PLATFORMS', 'cpu')  # nothing is trained
  from elth_jax.process import devices
  from elth_jax.process.text import say
  from elth_jax.storage.files import local_path

  try:
    devices.require()
    config_option.register_from(given.config)
    file = local_path(given.file, 'file')
    if file.exists():
      raise FileExistsError(f'{file} is there; give another name')
    found = ticket_of(given.source).transform(given.target, given.order)
    found.save(file)
  except (OSError, ValueError, devices.DeviceError) as error:
    say(f'elth_jax: {error}', sys.stderr)
    return 1
  say(f'{found!r}\n{file}')
  return 0


def ticket_of(name: str) -> 'Ticket':
  """The ticket of a file, a folder, or by a name such as `elth_jax:NAME`.

  Raises:
    FileNotFoundError: if there is none.
    ValueError: if it cannot be read.
  """
  from elth_jax.tickets.published import PREFIX
  from elth_jax.tickets.ticket import Ticket

  if name.startswith(PREFIX) or Path(name).is_dir():
    return Ticket.from_pretrained(name)
  return Ticket.load(name)
