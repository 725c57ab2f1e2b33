"""Times training on a GPU or TPU, line by line, until its minutes are over."""

import argparse
import dataclasses
import statistics
import time
from collections.abc import Sequence
from typing import Literal

import jax
import measure

from elth_jax.datasets.dataset import Dataset
from elth_jax.families import Architecture, architecture
from elth_jax.methods import lottery
from elth_jax.nn.conv_backends import CONV_BACKENDS
from elth_jax.process.precision import Precision
from elth_jax.training.loop import fit
from elth_jax.training.recipe import Recipe
from elth_jax.training.trainer import Trainer

EPOCHS, EXAMPLES = 160, 50_000
# reads and writes of each layer output in a step: forward, two gradients
MOVES = 8
HEAD = [
  'network',
  'tickets a device',
  'devices',
  'form',
  'dtype',
  'precision',
  'images/s',
  's for 160 epochs, a ticket',
  'of the floor',
  'first run, s',
]


@dataclasses.dataclass(frozen=True)
class Line:
  """One line of the table.

  Attributes:
    tickets: that share a device.
    network: of CIFAR-10's images.
    backend: how convolutions are computed; by default as suits the devices.
    dtype: see `Recipe`.
    precision: see `Recipe`.
    devices: how many are used; 0 for all.
    split_batches: whether they share one ticket.
  """

  tickets: int = 1
  network: str = 'resnet20'
  backend: str = ''
  dtype: Literal['float32', 'bfloat16'] = 'float32'
  precision: Literal['', Precision] = ''
  devices: int = 1
  split_batches: bool = False


def main(platform: str, lines: Sequence[Line], bandwidth: float) -> None:
  """Fills the table, most valuable lines first.

  Args:
    platform: `gpu` or `tpu`; what is asked for is said if there is none.
    lines: in the order of their worth.
    bandwidth: of a device's memory, in GB/s, unless the command says.
  """
  parser = argparse.ArgumentParser()
  parser.add_argument('--minutes', type=float, default=8.0)
  parser.add_argument('--images', type=int, default=12_800)
  parser.add_argument('--rounds', type=int, default=3)
  parser.add_argument('--bandwidth', type=float, default=bandwidth, help='GB/s')
  arguments = parser.parse_args()
  if jax.default_backend() != platform:
    raise SystemExit(
      f'no {platform.upper()} is here: JAX finds {jax.devices()}; nothing was '
      f"measured. With one, pip install 'elth_jax[{_extra(platform)}]'"
    )
  began = time.monotonic()
  dataset = measure.noise(32, arguments.images, 256)
  print(f'Batch 128. {measure.machine()}.\n\n{measure.table(HEAD, [])}')
  longest = 0.0
  for line in lines:
    started = time.monotonic()
    if started - began + longest > 60 * arguments.minutes:
      print(f'\n{arguments.minutes} minutes are over; not measured: {line}')
      break
    if line.devices > jax.local_device_count():
      continue
    print(measure.table_line(_row(arguments, dataset, line)), flush=True)
    longest = max(longest, time.monotonic() - started)


def _extra(platform: str) -> str:
  return 'cuda' if platform == 'gpu' else platform


def _row(arguments, dataset: Dataset, line: Line) -> list[object]:
  net = architecture(line.network, dataset.image_shape, 10)
  devices = jax.local_devices()[: line.devices or None]
  trainer = _trainer(net, dataset, line, devices)
  about = [
    line.network,
    line.tickets,
    len(devices),
    trainer.backend.name,
    line.dtype,
    trainer.recipe.product_precision,
  ]
  try:
    first, rates = _rates(arguments, trainer, 1 if line.split_batches else None)
  except jax.errors.JaxRuntimeError as error:  # out of memory, say
    return [*about, str(error).splitlines()[0][:60], '', '', '']
  tickets = 1 if line.split_batches else trainer.lanes
  seconds = EPOCHS * EXAMPLES * tickets / statistics.median(rates)
  width = 2 if line.dtype == 'bfloat16' else 4
  floor = EPOCHS * EXAMPLES * MOVES * net.outputs() * width * tickets
  floor /= arguments.bandwidth * 1e9 * len(devices)
  return [
    *about,
    measure.spread(rates),
    f'{seconds / tickets:.0f}',
    f'{seconds / floor:.1f}x',
    f'{first:.0f}',
  ]


def _trainer(net: Architecture, dataset, line: Line, devices) -> Trainer:
  recipe = Recipe(rewind_step=0, dtype=line.dtype, precision=line.precision)
  return Trainer(
    net,
    recipe,
    dataset,
    devices,
    per_device=line.tickets,
    backend=CONV_BACKENDS[line.backend] if line.backend else None,
    split_batches=line.split_batches,
  )


def _rates(arguments, trainer: Trainer, tickets: int | None):
  """Seconds of the first run, and images a second over all tickets."""
  net = trainer.architecture
  ticket, count = lottery.dense_ticket(net, **net.init(0)), tickets
  count = count or trainer.lanes

  def run() -> None:
    states = [trainer.start(ticket, 0)] * count
    fit(trainer, states, list(range(count)), trainer.steps_per_epoch)

  began = time.monotonic()
  run()
  first = time.monotonic() - began
  times = []
  for _ in range(arguments.rounds):
    began = time.monotonic()
    run()
    times.append(time.monotonic() - began)
  return first, [count * arguments.images / seconds for seconds in times]
