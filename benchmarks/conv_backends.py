"""Measures training steps by convolution backend and by tickets at once.

  python benchmarks/conv_backends.py [--network=resnet20] [--size=32]

Prints images a second, summed over tickets: the median of interleaved rounds,
with the lowest and highest. The ratio is to the first line.
"""

import argparse
import statistics
import time

import jax
import measure

from elth_jax.families import architecture
from elth_jax.methods import lottery
from elth_jax.nn import conv_backends
from elth_jax.process.devices import suitable_cpu_devices
from elth_jax.training.recipe import Recipe
from elth_jax.training.trainer import Trainer


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--network', default='resnet20')
  parser.add_argument('--size', type=int, default=32)
  parser.add_argument('--width', type=int, default=16)
  parser.add_argument('--steps', type=int, default=8)
  parser.add_argument('--rounds', type=int, default=5)
  parser.add_argument('--conv_backends', default='nhwc,gchwn')
  parser.add_argument('--per_device', default='1')
  arguments = parser.parse_args()
  jax.config.update('jax_num_cpu_devices', suitable_cpu_devices())
  recipe = Recipe(rewind_step=0)
  images = arguments.steps * recipe.batch_size
  dataset = measure.noise(arguments.size, images, recipe.batch_size)
  net = architecture(
    arguments.network, dataset.image_shape, 10, arguments.width
  )
  counts = sorted({1, len(jax.local_devices())})
  cases = {}
  for name in arguments.conv_backends.split(','):
    backend = conv_backends.CONV_BACKENDS[name]
    for devices in counts:
      for per_device in map(int, arguments.per_device.split(',')):
        label = f'{name}, {devices} device(s) of {per_device} ticket(s)'
        cases[label] = prepare(
          net, recipe, dataset, backend, devices, per_device
        )
  times: dict[str, list[float]] = {label: [] for label in cases}
  compile_seconds = {label: run() for label, run in cases.items()}
  for _ in range(arguments.rounds):
    for label, run in cases.items():
      times[label].append(run())
  print(f'{net}; {jax.devices()[0].device_kind}, jax {jax.__version__}')
  first = None
  for label, seconds in times.items():
    tickets = int(label.split()[1]) * int(label.split()[4])
    rates = [tickets * len(dataset.train_labels) / s for s in seconds]
    median = statistics.median(rates)
    first = first or median
    print(
      f'{label:<36} {median:9.0f} images/s ({min(rates):.0f} to '
      f'{max(rates):.0f}), {median / first:5.2f}x, first run '
      f'{compile_seconds[label]:.1f} s'
    )


def prepare(net, recipe, dataset, backend, devices: int, per_device: int):
  """A function that trains one epoch and returns the seconds it took."""
  used = jax.local_devices()[:devices]
  trainer = Trainer(net, recipe, dataset, used, per_device, backend)
  fresh = net.init(0)
  ticket = lottery.dense_ticket(net, fresh['params'], fresh['batch_stats'])
  stop = trainer.steps_per_epoch
  programs = trainer.programs(per_ticket=1)
  window = next(programs.windows([0] * trainer.lanes, 0, stop))

  def run() -> float:
    states = [trainer.start(ticket, 0)] * trainer.lanes
    state = jax.block_until_ready(programs.place(states))
    began = time.perf_counter()
    done = programs.run(state, [stop] * trainer.lanes, window)
    jax.block_until_ready(done)
    return time.perf_counter() - began

  return run


if __name__ == '__main__':
  main()
