"""What an executor is, and the registry of them."""

import dataclasses
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from elth_jax.registry import Registry
from elth_jax.runner.batch import Batch, Outcome
from elth_jax.runner.order import Order
from elth_jax.runner.remote import Opener, open_study
from elth_jax.runner.work import Worker
from elth_jax.study.spec import RunOptions


class Executor(Protocol):
  """Carries batches of nodes to workers.

  Attributes:
    workers: how many there are.
    sharing: how many of them share the devices of this machine.
  """

  workers: int
  sharing: int

  def has_room(self) -> bool:
    """Whether another batch may be submitted now."""
    ...

  def running(self) -> set[str]:
    """The nodes of all batches that are on their way."""
    ...

  def submit(self, batch: Batch) -> None:
    """Takes a batch; its nodes' parents are done."""
    ...

  def wait(self) -> None:
    """Waits a while for outcomes, and notes each one that there is.

    Raises:
      StudyStopped: when asked to stop; what was running has checkpoints then.
      DamagedError: if something that a node needs is damaged.
      HostsError: naming the worker, if one failed in a way that others would.
    """
    ...


@dataclasses.dataclass(frozen=True)
class ExecutorContext:
  """What an executor works with.

  Attributes:
    worker: does batches in this process.
    order: what a worker elsewhere must know of the study.
    options: how the study is run.
    note: told what became of each node.
    advance: told of progress: what is done, how much work that was, and
      details.
    say: prints a line.
    asked_to_stop: whether the study should stop.
    opener: opens the study in a worker process.
  """

  worker: Worker
  order: Order
  options: RunOptions
  note: Callable[[Outcome], None]
  advance: Callable[..., None]
  say: Callable[[str], None]
  asked_to_stop: Callable[[], bool]
  opener: Opener = open_study


@dataclasses.dataclass(frozen=True)
class ExecutorEntry:
  """An executor as it is registered.

  Attributes:
    open: gives the executor, which ends with its context.
    shares_workdir: whether processes work in the workdir at the same time, by
      leases; else this one has it for itself.
    doc: what it does, in a line.
    check: raises a ValueError if options do not suit it.
  """

  open: Callable[[ExecutorContext], AbstractContextManager[Executor]]
  shares_workdir: bool
  doc: str
  check: Callable[[RunOptions], None] = lambda options: None


EXECUTORS: Registry[ExecutorEntry] = Registry('executor')


def check_options(options: RunOptions) -> None:
  """Checks that the executor is known, and that other options suit it.

  Raises:
    ValueError: naming what does not.
  """
  entry = EXECUTORS.find(options.executor)
  if options.executor != 'local' and options.distributed.mode != 'off':
    raise ValueError(
      f'executor is {options.executor} and distributed is '
      f'{options.distributed}; give one of them: either processes train each '
      'run together, or each process trains runs of its own'
    )
  entry.check(options)
