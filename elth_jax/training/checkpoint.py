"""The state of an unfinished training run on disk; the one user of orbax."""

import logging
import shutil
from pathlib import Path

import jax
import numpy as np
import orbax.checkpoint as ocp

from elth_jax.training.state import TrainState

# orbax warns of its own defaults
logging.getLogger('absl').setLevel(logging.ERROR)


def save(folder: Path, state: TrainState) -> None:
  """Writes the state under its step, and removes earlier ones once it is."""
  step = int(state.step)
  path = (folder / f'step-{step}').absolute()
  if path.is_dir():
    return
  with ocp.StandardCheckpointer() as checkpointer:
    checkpointer.save(path, _leaves(state))
  for other in folder.glob('step-*'):
    if other.absolute() != path:
      shutil.rmtree(other, ignore_errors=True)


def latest_step(folder: Path) -> int | None:
  """The step that `save` wrote last, or `None`."""
  names = [path.name.removeprefix('step-') for path in folder.glob('step-*')]
  return max((int(name) for name in names if name.isdigit()), default=None)


def restore(folder: Path, step: int, like: TrainState) -> TrainState:
  """The state that `save` wrote at `step`.

  Args:
    folder: what `save` was given.
    step: from `latest_step`.
    like: a state with the same leaves, e.g. the ticket's start.
  """
  path = (folder / f'step-{step}').absolute()
  with ocp.StandardCheckpointer() as checkpointer:
    leaves = checkpointer.restore(path, _leaves(like))
  return jax.tree.unflatten(jax.tree.structure(like), list(leaves.values()))


def _leaves(state: TrainState) -> dict[str, np.ndarray]:
  """The leaves by zero-padded number: dict order is then leaf order."""
  leaves = jax.tree.leaves(state)
  return {
    f'{number:05}': np.asarray(leaf) for number, leaf in enumerate(leaves)
  }
