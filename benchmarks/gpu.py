"""What a GPU does with one and with many tickets of ResNet-20.

  python benchmarks/gpu.py --tickets=1,3,8,30

Trains some steps of the published recipe on images of CIFAR's shape, dataset
resident and a whole epoch in one dispatch, in each backend and dtype, and
prints the seconds that 160 epochs would take a ticket, and the share of memory
bandwidth that moving each activation a few times would need
(`--bandwidth`, in GB/s: 3350 for an H100, 4800 for an H200). A run takes some
minutes. For accuracy, run a study:

  python -m elth_jax.main --config=experiments/elth_figure6.py --workdir=DIR \
    --config.recipe.dtype=bfloat16 --config.parallel=8
"""

import argparse
import statistics
from typing import Any

import jax
import measure

from elth_jax.datasets.dataset import Dataset
from elth_jax.families import Architecture, architecture
from elth_jax.methods import lottery
from elth_jax.nn.conv_backends import CONV_BACKENDS
from elth_jax.training.loop import fit
from elth_jax.training.recipe import Recipe
from elth_jax.training.trainer import Trainer

EPOCHS, EXAMPLES = 160, 50_000
# reads and writes of each layer output in a step: forward, two gradients
MOVES = 8


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--network', default='resnet20')
  parser.add_argument('--width', type=int, default=0)
  parser.add_argument('--size', type=int, default=32)
  parser.add_argument('--tickets', default='1,3,8,30')
  parser.add_argument('--conv_backends', default='nhwc,nhwc_products')
  parser.add_argument('--dtypes', default='float32,bfloat16')
  parser.add_argument('--images', type=int, default=12_800)
  parser.add_argument('--rounds', type=int, default=3)
  parser.add_argument('--bandwidth', type=float, default=4800.0)
  arguments = parser.parse_args()
  dataset = measure.noise(arguments.size, arguments.images, 256)
  net = architecture(
    arguments.network, dataset.image_shape, 10, arguments.width or None
  )
  rows = []
  for count in map(int, arguments.tickets.split(',')):
    for backend in arguments.conv_backends.split(','):
      for dtype in arguments.dtypes.split(','):
        case = count, backend, dtype
        rows.append([*case, *_row(arguments, dataset, net, *case)])
        print(*rows[-1], flush=True)
  head = [
    'tickets',
    'backend',
    'dtype',
    'images/s',
    's a ticket',
    'of the floor',
  ]
  print(f'\n{net.name}, batch 128. {measure.machine()}.\n')
  print(measure.table(head, rows))


def _row(arguments, dataset: Dataset, net: Architecture, count, backend, dtype):
  recipe = Recipe(rewind_step=0, dtype=dtype)
  try:
    rates = _rates(arguments, dataset, net, recipe, count, backend)
  except jax.errors.JaxRuntimeError as error:  # out of memory, say
    return [str(error).splitlines()[0][:60], '', '']
  rate = statistics.median(rates)
  seconds = EPOCHS * EXAMPLES / rate
  width = 2 if dtype == 'bfloat16' else 4
  floor = EPOCHS * EXAMPLES * MOVES * net.outputs() * width
  floor /= arguments.bandwidth * 1e9
  return [measure.spread(rates), f'{seconds:.0f}', f'{seconds / floor:.1f}x']


def _rates(arguments, dataset, net, recipe, count: int, backend: str) -> Any:
  """Images a second, summed over tickets, in each round."""
  trainer = Trainer(
    net,
    recipe,
    dataset,
    jax.local_devices()[:1],
    per_device=count,
    backend=CONV_BACKENDS[backend],
  )
  ticket = lottery.dense_ticket(net, **net.init(0))

  def run() -> None:
    states = [trainer.start(ticket, 0)] * count
    fit(trainer, states, list(range(count)), trainer.steps_per_epoch)

  times = measure.interleaved({'run': run}, arguments.rounds)['run']
  return [count * arguments.images / seconds for seconds in times]


if __name__ == '__main__':
  main()
