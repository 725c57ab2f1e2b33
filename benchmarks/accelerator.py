"""Times training on a GPU or TPU, line by line, until its minutes are over."""

import argparse
import dataclasses
import functools
import os
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any, Literal

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

EPOCHS, EXAMPLES, TESTS = 160, 50_000, 256
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
    pytorch: the form of PyTorch, for a line of it: one ticket on a GPU.
  """

  tickets: int = 1
  network: str = 'resnet20'
  backend: str = ''
  dtype: Literal['float32', 'bfloat16'] = 'float32'
  precision: Literal['', Precision] = ''
  devices: int = 1
  split_batches: bool = False
  pytorch: str = ''


@dataclasses.dataclass(frozen=True)
class Case:
  """What a line is, once it has run.

  Attributes:
    tickets: how many are trained.
    devices: how many are used.
    form: how convolutions are computed.
    precision: in which products are multiplied.
    first: seconds of the first run, which compiles.
  """

  tickets: int
  devices: int
  form: str
  precision: str
  first: float = 0.0


def main(
  platform: str, lines: Sequence[Line], bandwidth: float, at_once: bool = False
) -> None:
  """Fills the table, most valuable lines first.

  Args:
    platform: `gpu` or `tpu`; what is asked for is said if there is none.
    lines: in the order of their worth.
    bandwidth: of a device's memory, in GB/s, unless the command says.
    at_once: compile all lines at once, each in a process of its own, and time
      them in turn then; for devices that processes can share.
  """
  parser = argparse.ArgumentParser()
  parser.add_argument('--minutes', type=float, default=8.0)
  parser.add_argument('--images', type=int, default=12_800)
  parser.add_argument('--rounds', type=int, default=3)
  parser.add_argument('--bandwidth', type=float, default=bandwidth, help='GB/s')
  arguments = parser.parse_args()
  began = time.monotonic()
  os.environ['XLA_PYTHON_CLIENT_PREALLOCATE'] = 'false'  # one shares it
  if jax.default_backend() != platform:
    raise SystemExit(
      f'no {platform.upper()} is here: JAX finds {jax.devices()}; nothing was '
      f"measured. With one, pip install 'elth_jax[{_extra(platform)}]'"
    )
  print(f'Batch 128. {measure.machine()}.\n\n{measure.table(HEAD, [])}')
  made = [functools.partial(_cases, line, arguments.images) for line in lines]
  if at_once:
    apart = [measure.Apart(make) for make in made]
    for one in apart:  # all are ready before one is timed
      one.wait(30 * arguments.minutes - (time.monotonic() - began))
    made = [one.cases for one in apart]
  longest = 0.0
  for line, make in zip(lines, made, strict=True):
    started = time.monotonic()
    if started - began + longest > 60 * arguments.minutes:
      print(f'\n{arguments.minutes} minutes are over; not measured: {line}')
      break
    if line.devices > jax.local_device_count():
      continue
    try:
      row = _row(arguments, line, make())
    except (EOFError, jax.errors.JaxRuntimeError) as error:  # of memory, say
      text = (str(error) or 'its process ended').splitlines()[0][:60]
      row = [line.network, line.tickets, '', text, line.dtype, *[''] * 5]
    print(measure.table_line(row), flush=True)
    longest = max(longest, time.monotonic() - started)


def _extra(platform: str) -> str:
  return 'cuda' if platform == 'gpu' else platform


def _cases(line: Line, images: int) -> dict[str, Callable[[], Any]]:
  """`run`, which trains for an epoch and has once, and `about`, its `Case`."""
  dataset = measure.noise(32, images, TESTS)
  run, case = (_pytorch if line.pytorch else _ours)(line, dataset)
  began = time.monotonic()
  run()
  case = dataclasses.replace(case, first=time.monotonic() - began)
  return {'run': run, 'about': lambda: case}


def _ours(line: Line, dataset: Dataset) -> tuple[Callable[[], None], Case]:
  net = _network(line)
  devices = jax.local_devices()[: line.devices or None]
  recipe = Recipe(rewind_step=0, dtype=line.dtype, precision=line.precision)
  trainer = Trainer(
    net,
    recipe,
    dataset,
    devices,
    per_device=line.tickets,
    backend=CONV_BACKENDS[line.backend] if line.backend else None,
    split_batches=line.split_batches,
  )
  ticket = lottery.dense_ticket(net, **net.init(0))
  tickets = 1 if line.split_batches else trainer.lanes

  def run() -> None:
    states = [trainer.start(ticket, 0)] * tickets
    fit(trainer, states, list(range(tickets)), trainer.steps_per_epoch)

  precision = trainer.recipe.product_precision
  return run, Case(tickets, len(devices), trainer.backend.name, precision)


def _pytorch(line: Line, dataset: Dataset) -> tuple[Callable[[], None], Case]:
  import pytorch  # which may not be installed

  net = _network(line)
  run = pytorch.epoch(
    *(net.name, net.width, dataset, 128, line.pytorch),
    device='cuda',
    dtype=line.dtype,
  )
  return run, Case(1, 1, f'PyTorch, {line.pytorch}', line.precision)


def _network(line: Line) -> Architecture:
  return architecture(line.network, (32, 32, 3), 10)


def _row(arguments, line: Line, cases) -> list[object]:
  case: Case = cases['about']()
  rates = []
  for _ in range(arguments.rounds):
    began = time.monotonic()
    cases['run']()
    seconds = time.monotonic() - began
    rates.append(case.tickets * arguments.images / seconds)
  seconds = EPOCHS * EXAMPLES / statistics.median(rates)  # a ticket
  width = 2 if line.dtype == 'bfloat16' else 4
  floor = EPOCHS * EXAMPLES * MOVES * _network(line).outputs() * width
  floor /= arguments.bandwidth * 1e9 * case.devices
  return [
    line.network,
    line.tickets,
    case.devices,
    case.form,
    line.dtype,
    case.precision,
    measure.spread(rates),
    f'{seconds:.0f}',
    f'{seconds / floor:.1f}x',
    f'{case.first:.0f}',
  ]
