"""Scores that need no data: magnitude, and chance."""

import numpy as np

from elth_jax.masks import magnitude
from elth_jax.randomness import generator
from elth_jax.trees import PyTree, map_named


def magnitude_scores(params: PyTree) -> PyTree:
  """The absolute value of every weight."""
  return map_named(lambda _, p: None if p is None else magnitude(p), params)


def random_scores(params: PyTree, seed: int) -> PyTree:
  """Uniform numbers, another set for each seed and leaf."""
  return map_named(
    lambda name, p: (
      None
      if p is None
      else generator(seed, f'score/{name}').random(p.shape, np.float32)
    ),
    params,
  )
