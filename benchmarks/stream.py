"""How fast a stream brings images of ImageNet's size, by threads and processes.

  PYTHONPATH=. python benchmarks/stream.py --threads=1,2 --processes=1,2

Makes a small data set in ImageNet's layout (500x375 pixels, some 75 kB an
image), streams the batches of one seed, and prints images a second, and the
ratio to decoding whole images with Pillow in one thread.
"""

import argparse
import dataclasses
import io
import os
import statistics
import tempfile
import time
from pathlib import Path

import measure
import numpy as np
from PIL import Image

from elth_jax.datasets import imagenet
from elth_jax.datasets.read_ahead import Reading
from elth_jax.datasets.stream import Stream
from tests import prepared

EXAMPLES, BATCH = 512, 128


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--threads', default='1,2')
  parser.add_argument('--processes', default='1,2')
  parser.add_argument('--batches', type=int, default=8)
  parser.add_argument('--rounds', type=int, default=3)
  options = parser.parse_args()
  print(measure.machine())
  with tempfile.TemporaryDirectory() as folder:
    stream = made(Path(folder))
    ways = {
      'decoding whole images': lambda: decoding(stream),
      **{
        f'{n} thread(s)': reading(stream, Reading(threads=n), options.batches)
        for n in map(int, options.threads.split(','))
      },
      **{
        f'{n} process(es)': reading(
          stream, Reading(threads=1, processes=n), options.batches
        )
        for n in map(int, options.processes.split(','))
      },
    }
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(options.rounds):
      for name, way in ways.items():
        rates[name].append(way())
  first = statistics.median(next(iter(rates.values())))
  for name, found in rates.items():
    middle = statistics.median(found)
    print(
      f'{name:<24} {middle:6.0f} images/s ({min(found):.0f} to '
      f'{max(found):.0f})  {middle / first:.2f}'
    )


def made(folder: Path) -> Stream:
  """A stream of images that compress like photographs."""
  draw = np.random.default_rng(0)
  examples = [(photograph(draw), i % 1000) for i in range(EXAMPLES)]
  splits = {'train': examples, 'validation': examples[:1]}
  prepared.write(folder, 'imagenet2012', '5.1.0', splits)
  os.environ['TFDS_DATA_DIR'] = str(folder)
  counts = {'train': EXAMPLES, 'test': 1}
  return dataclasses.replace(imagenet.IMAGENET, examples=counts).load()


def photograph(draw: np.random.Generator) -> bytes:
  few = draw.integers(0, 256, (24, 32, 3)).astype(np.uint8)
  smooth = Image.fromarray(few).resize((500, 375), Image.Resampling.BICUBIC)
  noisy = np.asarray(smooth, int) + draw.integers(-12, 13, (375, 500, 1))
  file = io.BytesIO()
  image = Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))
  image.save(file, 'JPEG', quality=90)
  return file.getvalue()


def decoding(stream: Stream) -> float:
  began = time.perf_counter()
  for row in range(256):
    with Image.open(io.BytesIO(stream.train[row]['image'])) as image:
      image.load()
  return 256 / (time.perf_counter() - began)


def reading(stream: Stream, how: Reading, batches: int):
  """Images a second once the first batch is there."""
  some = dataclasses.replace(stream, reading=how)

  def run() -> float:
    found = some.training_batches(BATCH, 0, 0, batches + 1)
    next(found)
    began = time.perf_counter()
    count = sum(len(batch['label']) for batch in found)
    return count / (time.perf_counter() - began)

  return run


if __name__ == '__main__':
  main()
