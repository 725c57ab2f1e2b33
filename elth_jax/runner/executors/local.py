"""Executors that do all batches in this process, one after the other.

`local` has the workdir for itself. `shared` lets other processes with the same
command work in it, on this machine or on others: each takes what nobody has.
"""

import contextlib
from collections.abc import Generator

from elth_jax.runner.batch import Batch
from elth_jax.runner.executors.registry import (
  EXECUTORS,
  ExecutorContext,
  ExecutorEntry,
)
from elth_jax.study.spec import RunOptions


class Here:
  """Does batches in this process."""

  workers = 1
  sharing = 1

  def __init__(self, context: ExecutorContext):
    self._context = context
    self._batch: Batch | None = None

  def has_room(self) -> bool:
    return self._batch is None

  def running(self) -> set[str]:
    return set(self._batch.nodes if self._batch else ())

  def submit(self, batch: Batch) -> None:
    self._batch = batch

  def wait(self) -> None:
    assert self._batch is not None
    batch, self._batch = self._batch, None  # also if it fails
    context = self._context
    context.worker.do(batch, context.note, context.advance)


def _check(options: RunOptions) -> None:
  if options.scheduler:
    raise ValueError(
      f'scheduler is {options.scheduler}, and executor {options.executor} has '
      'none; give --config.executor=dask too'
    )


@contextlib.contextmanager
def _here(context: ExecutorContext) -> Generator[Here]:
  yield Here(context)


EXECUTORS.register(
  'local',
  ExecutorEntry(
    _here, False, 'in this process, which has the workdir alone', _check
  ),
)
EXECUTORS.register(
  'shared',
  ExecutorEntry(
    _here,
    True,
    'in every process that is started with the same workdir',
    _check,
  ),
)
