"""Says what a transfer from one network to another does, before it is done.

  elth-jax explain resnet20 resnet32
  elth-jax explain resnet20 resnet56 --order='interpolate x2, append'
  elth-jax explain runs/digits/tickets/resnet20-r0-imp-level06.safetensors \
    resnet32 --figure=plan.svg

SOURCE is a network's name, or a ticket's file or folder, whose sparsities are
told too (write ./resnet20 for a folder that is called like a network); or a
ticket that comes with the package, such as elth_jax:resnet20-digits.
Of a name, the network for 32 x 32 colour images and ten classes is explained.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from elth_jax.cli.transform import add_options, ticket_of
from elth_jax.study import config_option

if TYPE_CHECKING:
  from elth_jax.families import Architecture
  from elth_jax.tickets.ticket import Ticket

FIGURES = ('.svg', '.png', '.pdf')


def parser() -> argparse.ArgumentParser:
  """What the command takes."""
  made = argparse.ArgumentParser(
    prog='elth-jax explain',
    description=__doc__,
    formatter_class=argparse.RawDescriptionHelpFormatter,
  )
  made.add_argument('source', help="a network's name, or a ticket's file")
  made.add_argument('target', help='the name of the network wanted')
  add_options(made)
  made.add_argument(
    '--figure', metavar='FILE', help='draw it too: .svg, .png or .pdf'
  )
  return made


def main(arguments: list[str] | None = None) -> int:
  given = parser().parse_args(arguments)
  os.environ.setdefault('JAX_PLATFORMS', 'cpu')  # nothing is trained
  from elth_jax.process import devices
  from elth_jax.process.text import say
  from elth_jax.tickets.explanation import explain

  try:
    devices.require()
    config_option.register_from(given.config)
    figure = _figure_file(given.figure) if given.figure else None
    found = explain(_source(given.source), given.target, given.order)
    say(str(found))
    if figure:
      found.figure().savefig(figure)
  except (OSError, ValueError, devices.DeviceError) as error:
    say(f'elth_jax: {error}', sys.stderr)
    return 1
  return 0


def _source(name: str) -> 'Ticket | Architecture | str':
  """The ticket of a file or folder, or the network of that name."""
  from elth_jax.families import architecture
  from elth_jax.tickets.published import PREFIX

  if name.startswith(PREFIX) or name.endswith('.safetensors'):
    return ticket_of(name)
  if not Path(name).exists():
    return name
  try:  # a folder may be called like a network
    return architecture(name)
  except ValueError:
    return ticket_of(name)


def _figure_file(text: str) -> Path:
  """The file of `--figure`; `ValueError` if it cannot be written."""
  from elth_jax.storage.files import local_path

  file = local_path(text, '--figure')
  if file.suffix.lower() not in FIGURES:
    raise ValueError(
      f'--figure is {text}; give a name that ends in .svg, .png or .pdf'
    )
  if not file.parent.is_dir():
    raise ValueError(f'--figure: there is no folder {file.parent}; make it')
  return file
