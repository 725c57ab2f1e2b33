"""Randomness as a function of (seed, purpose, numbers): no hidden state.

All draws are made on the host with a counter-based generator, so they are the
same on every backend, cost no compilation, and a run resumed at a step draws
what the run that never stopped would have drawn.
"""

import zlib

import numpy as np


def generator(seed: int, purpose: str, *numbers: int) -> np.random.Generator:
  """The generator for one purpose, e.g. `generator(0, 'order', epoch)`."""
  # numpy ignores zeros at the end, so the last number is never one
  entropy = (seed, zlib.crc32(purpose.encode()), *numbers, 1 + len(numbers))
  return np.random.Generator(np.random.Philox(np.random.SeedSequence(entropy)))
