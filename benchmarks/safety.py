"""What safety costs: checkpoints, hashes and locks in a CIFAR-10 training.

  python benchmarks/safety.py --minutes=2 --every=10

Trains a ResNet-20 of the paper's size on images of CIFAR's size, as a study
does, with many checkpoints, then starts the finished study again. Prints the
share of time that went into checkpoints (their hashes included), publishing,
and what a start checks and locks; and that share with a checkpoint at the
default interval, which the same seconds a checkpoint give.
"""

import argparse
import tempfile
import time
from pathlib import Path

import jax
import measure

from elth_jax import datasets
from elth_jax.process.devices import suitable_cpu_devices
from elth_jax.process.phases import listening
from elth_jax.runner import session
from elth_jax.study.config import base_config
from elth_jax.study.spec import RunOptions
from elth_jax.training.recipe import Recipe

SAFETY = ('checkpoint', 'publish', 'recovery')
IMAGES_A_SECOND = 200  # roughly; sets how long it takes, nothing else


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--minutes', type=float, default=2.0, help='of a run')
  parser.add_argument('--every', type=float, default=10.0, help='seconds')
  parser.add_argument('--images', type=int, default=2560)
  arguments = parser.parse_args()
  jax.config.update('jax_num_cpu_devices', suitable_cpu_devices())
  dataset = measure.noise(32, arguments.images, 1000)
  datasets.register(dataset.name, lambda: dataset)
  images = arguments.minutes * 60 * IMAGES_A_SECOND
  config = base_config(
    dataset=dataset.name,
    sources=('resnet20',),
    targets=('resnet20',),
    methods=('imp',),
    levels=1,
    compare_levels=(1,),
    replicates=1,
    checkpoint_seconds=arguments.every,
    recipe=Recipe(
      rewind_step=0,
      batch_size=128,
      epochs=max(1, round(images / arguments.images)),
      drop_epochs=(),
    ),
  )
  with tempfile.TemporaryDirectory() as folder:
    for start in ('first', 'second'):
      began = time.perf_counter()
      with listening() as clock:
        session.run(config, Path(folder) / 'workdir')
      whole = time.perf_counter() - began
      spent = {name: clock.seconds.get(name, 0.0) for name in SAFETY}
      count = clock.calls.get('checkpoint', 0)
      by_default = whole / RunOptions().checkpoint_seconds
      usual = spent['checkpoint'] / max(count, 1) * by_default
      usual += spent['publish'] + spent['recovery']
      print(clock.table())
      print(
        f'{start} start: {sum(spent.values()) / whole:.3%} of {whole:.1f} s ('
        + ', '.join(f'{name} {s:.2f} s' for name, s in spent.items())
        + f') with {count} checkpoints; {usual / whole:.3%} at the default '
        'interval'
      )


if __name__ == '__main__':
  main()
