"""Makes the trainer of a run, in the same way in every process."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax

from elth_jax.datasets import Dataset, Stream
from elth_jax.study.nodes import Node, Run
from elth_jax.study.spec import RunOptions
from elth_jax.training.compiled_steps import CompiledSteps
from elth_jax.training.trainer import Trainer


def make_trainer(
  node: Node,
  data: Mapping[str, Dataset | Stream],
  options: RunOptions,
  placement: Mapping[str, Any],
  steps: Callable[..., CompiledSteps] = CompiledSteps,
) -> Trainer:
  """The trainer of a run, and of all that are compiled alike.

  Args:
    node: the run.
    data: name -> data set, as nodes name it.
    options: how the study is run.
    placement: from `Parallel.placement`.
    steps: as `Trainer` has it.
  """
  assert isinstance(node, Run)
  return Trainer(
    node.architecture,
    node.recipe,
    data[node.data.dataset],
    dynamic=node.dynamic,
    deterministic=options.deterministic,
    native=options.native,
    steps=steps,
    **placement,
  )


def numbered(placement: Mapping[str, Any]) -> dict[str, Any]:
  """A placement as JSON values: how many devices, for which ones."""
  return {**placement, 'devices': len(placement['devices'])}


def within(
  devices: Sequence[jax.Device], placement: Mapping[str, Any]
) -> dict[str, Any]:
  """The inverse of `numbered`, from the study's devices."""
  return {**placement, 'devices': list(devices[: placement['devices']])}
