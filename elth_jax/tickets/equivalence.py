"""Whether two networks compute the same, tried on a few random images."""

from collections.abc import Callable, Mapping

import jax
import numpy as np

from elth_jax.families import Architecture
from elth_jax.randomness import generator
from elth_jax.trees import PyTree, map_named

IMAGES = 4
TOLERANCE = 1e-3  # of the largest output; rounding in float32 is far below

Variables = Mapping[str, PyTree]


def largest_difference(
  one: Architecture,
  other: Architecture,
  variables: Variables,
  change: Callable[[Variables], Variables],
) -> float:
  """How far two networks' outputs are apart, as a share of the largest.

  Both are evaluated on the same random images, with the variables given and
  with random parameters, since those given may hide a difference behind
  zeros (a new head, a pruned layer).

  Args:
    one: the network of `variables`.
    other: the network of what `change` makes of them.
    variables: `params` and `batch_stats`.
    change: variables of one network to those of the other.

  Raises:
    ValueError: naming the network, if its outputs are not finite.
  """
  draw = generator(0, 'equivalence/images')
  shape = (IMAGES, *one.input_shape)
  images = draw.standard_normal(shape, np.float32)
  run, run_other = jax.jit(one.module().apply), jax.jit(other.module().apply)
  worst = 0.0
  with jax.default_matmul_precision('highest'):
    for tried in (variables, _random_like(variables)):
      expected = np.asarray(run(tried, images), np.float32)
      found = np.asarray(run_other(change(tried), images), np.float32)
      if not np.all(np.isfinite(expected)):
        raise ValueError(f'{one.name}: its outputs are not finite')
      size = float(np.abs(expected).max()) or 1.0
      off = float(np.abs(found - expected).max()) / size
      worst = max(worst, np.inf if np.isnan(off) else off)
  return worst


def _random_like(variables: Variables) -> dict[str, PyTree]:
  """The same statistics, and parameters that keep activations moderate."""

  def drawn(name, leaf):
    noise = generator(0, f'equivalence/{name}').standard_normal(leaf.shape)
    if leaf.ndim > 1:
      noise *= np.sqrt(2 / np.prod(leaf.shape[:-1]))
    else:
      noise = 0.3 * noise + name.endswith('scale')
    return noise.astype(leaf.dtype)

  return {**variables, 'params': map_named(drawn, variables['params'])}
