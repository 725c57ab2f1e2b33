"""Gradual magnitude pruning: masks that grow sparser while a network trains."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from elth_jax.dynamic.dpf import dpf
from elth_jax.dynamic.method import Dynamic, register


def gmp(
  sizes: Mapping[str, int],
  *,
  start: int,
  stop: int,
  interval: int = 100,
  never_pruned_count: int = 0,
) -> Dynamic:
  """Gradual magnitude pruning, as an (init, update) pair.

  DPF without its feedback: every `interval` steps the mask keeps the largest
  weights of all layers, and what is pruned is 0 from then on. The sparsity
  follows the cubic schedule s (1 - (1 - t / n)^3), and stays from `stop` on.

  Args:
    sizes: of the leaves that may be pruned, by name.
    start: the step at which training starts; t counts from there.
    stop: the step at which the wanted sparsity is reached.
    interval: steps between masks.
    never_pruned_count: weights that count but are never pruned.

  Raises:
    ValueError: as `dpf` does.

  References:
    Zhu and Gupta, To Prune, or Not to Prune, 2017, section 3.
  """
  feedback = dpf(
    sizes,
    start=start,
    stop=stop,
    interval=interval,
    never_pruned_count=never_pruned_count,
  )
  return dataclasses.replace(feedback, dense=False)


def _stop(options: Mapping[str, Any], steps: int) -> int:
  """The step that reaches the sparsity."""
  return min(round(options['stop_fraction'] * steps), steps - 1)


def _check(
  options: Mapping[str, Any], start: int, drops: tuple[int, ...], steps: int
) -> None:
  del drops
  if (stop := _stop(options, steps)) <= start:
    raise ValueError(
      f'prunes from step {start}, the rewind point, to step {stop} of {steps}: '
      'nothing is left between them; raise '
      '--config.sparse.stop_fraction, or train longer'
    )


@register(
  'gmp',
  lambda sparse: {
    'interval': sparse.interval,
    'stop_fraction': sparse.stop_fraction,
  },
  label='GMP',
  starts_dense=True,
  colour='#1010C0',
  marker='4',
  check=_check,
)
def _gmp(options, training):
  """GMP: the smallest weights are pruned while the dense network trains.

  Every `sparse.interval` steps from the rewind step to `sparse.stop_fraction`
  of training.
  """
  return gmp(
    training.sizes,
    start=training.start,
    stop=_stop(options, training.steps),
    interval=options['interval'],
    never_pruned_count=training.never_pruned_count,
  )
