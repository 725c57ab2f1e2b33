"""Says what a transfer from one network to another does, before it is done.

  elth-jax explain resnet20 resnet32
  elth-jax explain resnet20 resnet56 --order='interpolate x2, append'
  elth-jax explain runs/digits/tickets/resnet20-r0-imp-level06.safetensors \
    resnet32 --figure=plan.svg

SOURCE is a network's name, or a ticket's file or folder, whose sparsities are
told too; or a ticket that comes with the package, such as
elth_jax:resnet20-digits.
Of a name, the network for 32 x 32 colour images and ten classes is explained.
"""

import argparse
import os
import sys
from pathlib import Path

from elth_jax.cli.transform import add_options, ticket_of
from elth_jax.study import config_file


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
  from elth_jax.storage.files import local_path
  from elth_jax.tickets.explanation import explain
  from elth_jax.tickets.published import PREFIX

  try:
    devices.require()
    config_file.register_from(given.config)
    name = given.source
    is_ticket = name.startswith(PREFIX) or name.endswith('.safetensors')
    source = ticket_of(name) if is_ticket or Path(name).exists() else name
    found = explain(source, given.target, given.order)
    say(str(found))
    if given.figure:
      found.figure().savefig(local_path(given.figure, '--figure'))
  except (OSError, ValueError, devices.DeviceError) as error:
    say(f'elth_jax: {error}', sys.stderr)
    return 1
  return 0
