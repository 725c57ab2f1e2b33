"""The state of an unfinished training run on disk; the one user of orbax.

orbax loads flipped bits without a word, so every checkpoint has a manifest,
and the one before the last is kept.
"""

import contextlib
import logging
from collections.abc import Generator
from pathlib import Path

import jax
import numpy as np
import orbax.checkpoint as ocp

from elth_jax.process.quiet import logging_at
from elth_jax.storage import manifest
from elth_jax.storage.files import as_text, remove_folder
from elth_jax.training.state import TrainState

KEPT = 2
ARRAYS = 'arrays'


def save(
  folder: Path, state: TrainState, of: str = '', kernels: str = ''
) -> None:
  """Publishes the state under its step, then removes all but the last two.

  Args:
    folder: of the run.
    state: on the host.
    of: identifies the run.
    kernels: the C++ kernels that it was trained by; '' for none.

  Raises:
    OSError: if it could not be written; earlier ones are as they were.
  """
  step = int(state.step)
  path = folder / f'step-{step}'
  if path.is_dir():
    return
  about = {'of': of, 'step': step}
  if kernels:
    about['kernels'] = kernels
  manifest.publish(path, about, lambda aside: _write(aside, state))
  for old in steps(folder)[:-KEPT]:
    remove_folder(folder / f'step-{old}')


def steps(folder: Path) -> list[int]:
  """The steps that were saved, in order; they may be damaged."""
  names = [path.name.removeprefix('step-') for path in folder.glob('step-*')]
  return sorted(int(name) for name in names if name.isdecimal())


def check(folder: Path, step: int, of: str = '') -> str:
  """Compares a checkpoint's files with its manifest, which says `of` which run.

  Returns:
    The kernels that `save` was told of.

  Raises:
    manifest.DamagedError: naming the file.
  """
  path = folder / f'step-{step}'
  about = dict(manifest.check(path)['about'])
  kernels = about.pop('kernels', '')
  if about != {'of': of, 'step': step}:
    raise manifest.DamagedError(path, 'belongs to another run')
  return kernels


def restore(
  folder: Path, step: int, like: TrainState, of: str = ''
) -> TrainState:
  """The state that `save` wrote at `step`.

  Args:
    folder: what `save` was given.
    step: one of `steps` that passes `check`.
    like: a state with the same leaves, e.g. the ticket's start.
    of: as for `save`.

  Raises:
    manifest.DamagedError: if its files do not hold such a state.
  """
  path = folder / f'step-{step}'
  check(folder, step, of)
  try:
    with _checkpointer() as checkpointer, as_text(path) as place:
      leaves = checkpointer.restore(
        place / ARRAYS, args=ocp.args.StandardRestore(_leaves(like))
      )
  except Exception as error:  # orbax has no error of its own
    raise manifest.DamagedError(path, f'cannot be restored: {error}') from error
  return jax.tree.unflatten(jax.tree.structure(like), list(leaves.values()))


@contextlib.contextmanager
def _checkpointer() -> Generator[ocp.Checkpointer]:
  """One that waits: after a failure, an asynchronous one waits for minutes.

  orbax warns of its own defaults and logs errors that it raises too, so it is
  kept quiet.
  """
  alone = _this_process_alone()
  handler = ocp.StandardCheckpointHandler(multiprocessing_options=alone)
  with (
    logging_at(logging.CRITICAL, 'absl'),
    ocp.Checkpointer(handler, multiprocessing_options=alone) as checkpointer,
  ):
    yield checkpointer


def _this_process_alone() -> ocp.options.MultiprocessingOptions:
  """What tells orbax that no other process of a run saves with this one."""
  if jax.process_count() == 1:
    return ocp.options.MultiprocessingOptions()
  number = jax.process_index()
  return ocp.options.MultiprocessingOptions(
    primary_host=number,
    active_processes={number},
    barrier_sync_key_prefix=f'process{number}',
  )


def _write(aside: Path, state: TrainState) -> None:
  try:
    with _checkpointer() as checkpointer, as_text(aside) as place:
      checkpointer.save(
        place / ARRAYS, args=ocp.args.StandardSave(_leaves(state))
      )
  except Exception as error:  # orbax has no error of its own
    raise OSError(
      f'checkpoint {aside.parent} not written: {error}; is there space, and '
      'may this user write there?'
    ) from error


def _leaves(state: TrainState) -> dict[str, np.ndarray]:
  """The leaves by zero-padded number: dict order is then leaf order."""
  leaves = jax.tree.leaves(state)
  return {
    f'{number:05}': np.asarray(leaf) for number, leaf in enumerate(leaves)
  }
