"""Training through `fit` against PyTorch on the same CPU, as ratios.

  pip install torch==2.13.0 && python benchmarks/cpu.py

Each case trains one epoch (with augmentation, BN, L2, masks, a partial last
batch) and evaluates; cases take turns, and the table has medians with lowest
and highest. PyTorch has a process of its own, since commands of this library
change how theirs keeps memory. `--network`, `--size`, `--width` and `--batch`
choose the network, `--native` how convolutions are computed; `--write=FILE`
adds the table to a file.
"""

import argparse
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import measure

from elth_jax.datasets.dataset import Dataset
from elth_jax.families import Architecture, architecture
from elth_jax.masks import counts
from elth_jax.methods import METHODS, Sparse, lottery
from elth_jax.nn.default_backend import Native
from elth_jax.process import memory
from elth_jax.process.devices import suitable_cpu_devices
from elth_jax.training.loop import fit
from elth_jax.training.recipe import Recipe
from elth_jax.training.trainer import Trainer

TORCH = 'PyTorch, '
TESTS = 256  # images


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--network', default='resnet20')
  parser.add_argument('--size', type=int, default=32)
  parser.add_argument('--width', type=int, default=0)
  parser.add_argument('--batch', type=int, default=128)
  parser.add_argument('--images', type=int, default=1344)
  parser.add_argument('--rounds', type=int, default=5)
  parser.add_argument('--dynamic', action='store_true', help='RigL, DPF')
  parser.add_argument('--native', default='auto')
  parser.add_argument('--write', help='a file that gets the table')
  arguments = parser.parse_args()
  memory.keep_freed_memory()
  jax.config.update('jax_num_cpu_devices', suitable_cpu_devices())
  dataset = measure.noise(arguments.size, arguments.images, TESTS)
  recipe = Recipe(rewind_step=0, batch_size=arguments.batch)
  net = architecture(
    arguments.network, dataset.image_shape, 10, arguments.width or None
  )
  cases = ours(net, recipe, dataset, arguments.dynamic, arguments.native)
  cases |= pytorch(net, recipe.batch_size, arguments.images)
  times = measure.interleaved(cases, arguments.rounds)
  text = report(net, recipe, times, arguments.images)
  print(text)
  if arguments.write:
    with Path(arguments.write).open('a') as file:
      file.write(text + '\n\n')


def ours(
  net: Architecture,
  recipe: Recipe,
  dataset: Dataset,
  dynamic: bool,
  native: Native,
) -> dict[str, Callable[[], Any]]:
  dense = lottery.dense_ticket(net, **net.init(0))
  half = lottery.next_level(dense, dense, dense.params, 0.5)
  trainer = Trainer(net, recipe, dataset, native=native)
  cases = {
    'one ticket': one_epoch(trainer, half, 1),
    'one ticket, dense': one_epoch(trainer, dense, 1),
  }
  for count in (2, 3):
    cases[f'{count} tickets'] = one_epoch(trainer, half, count)
  if dynamic:
    keep, _ = counts(half.masks)
    for name in ('rigl', 'dpf'):
      settings = METHODS[name].dynamic_settings(Sparse())
      other = Trainer(net, recipe, dataset, native=native, dynamic=settings)
      label = METHODS[name].label
      cases[f'one ticket, {label}'] = one_epoch(other, half, 1, keep)
  return cases


def one_epoch(trainer: Trainer, ticket, count: int, keep: int = 0):
  """Trains `count` tickets for an epoch, as many at once as there are lanes."""

  def run() -> None:
    for first in range(0, count, trainer.lanes):
      seeds = list(range(first, min(first + trainer.lanes, count)))
      states = [trainer.start(ticket, 0, keep, seed) for seed in seeds]
      fit(trainer, states, seeds, trainer.steps_per_epoch)

  return run


def pytorch(net: Architecture, batch_size: int, images: int):
  """Nothing, and a note, where PyTorch is not installed."""
  try:
    import torch  # noqa: F401
  except ImportError as error:
    print(f'without PyTorch ({error})')
    return {}
  size = net.input_shape[0]
  there = measure.Apart(
    in_pytorch, net.name, net.width, size, images, batch_size
  )
  return {TORCH + name: run for name, run in there.cases().items()}


def in_pytorch(network: str, width: int, size: int, images: int, batch: int):
  """An epoch in each form of PyTorch, in this process."""
  import pytorch as other

  dataset = measure.noise(size, images, TESTS)
  return {
    form: other.epoch(network, width, dataset, batch, form)
    for form in other.CONV_BACKENDS
  }


def report(net, recipe, times, images: int) -> str:
  tickets = {name: int(name[0]) if name[0].isdigit() else 1 for name in times}
  rates = {
    name: [tickets[name] * images / t for t in seconds]
    for name, seconds in times.items()
  }
  forms = [name for name in times if name.startswith(TORCH)]
  middle = {name: statistics.median(values) for name, values in rates.items()}
  columns = {name.removeprefix(TORCH): middle[name] for name in forms[:1]}
  if forms:
    columns['best PyTorch'] = max(middle[name] for name in forms)
  columns['one ticket'] = middle['one ticket']
  rows = [
    [name, measure.spread(values)]
    + [f'{middle[name] / other:.2f}' for other in columns.values()]
    for name, values in rates.items()
  ]
  head = ['case', 'images/s', *(f'against {name}' for name in columns)]
  versions = {}
  if forms:
    import torch

    versions['PyTorch'] = torch.__version__
  return (
    f'{net.name}, width {net.width}, {net.input_shape[0]} pixels a side, batch '
    f'{recipe.batch_size}, {images} images an epoch. '
    f'{measure.machine(**versions)}.\n\n' + measure.table(head, rows)
  )


if __name__ == '__main__':
  main()
