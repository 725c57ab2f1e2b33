"""The loop: runs segments, and lets its caller look in between."""

import dataclasses
import functools
import time
from collections.abc import Callable, Sequence

import jax
import numpy as np

from elth_jax.process.phases import phase
from elth_jax.training.input_pipeline import Window
from elth_jax.training.state import TrainState
from elth_jax.training.trainer import Trainer

SEGMENT_SECONDS = 3.0  # how long a signal or a progress line may wait
SECOND_SEGMENT = 8  # steps: the first one compiles, which says nothing of pace


@dataclasses.dataclass(frozen=True)
class Segment:
  """What one dispatch did.

  Attributes:
    step: where training stands now, counted from the dense start.
    epoch: the epoch that the segment belongs to.
    seconds: how long it took.
    loss: mean training loss of the segment, by ticket.
    accuracy: training accuracy of the segment, 0 to 1, by ticket.
    diverged: the first step of the segment whose loss was not finite, or -1,
      by ticket.
    states: fetches the tickets' states to the host; within `after_segment`
      alone, since the next dispatch takes their memory.
  """

  step: int
  epoch: int
  seconds: float
  loss: np.ndarray
  accuracy: np.ndarray
  diverged: np.ndarray
  states: Callable[[], list[TrainState]]


@dataclasses.dataclass(frozen=True)
class Evaluation:
  """Loss and accuracy (0 to 1) of one ticket on the test set."""

  loss: float
  accuracy: float


def fit(
  trainer: Trainer,
  states: Sequence[TrainState],
  seeds: Sequence[int],
  stop: int,
  after_segment: Callable[[Segment], None] = lambda segment: None,
  per_ticket: int = 0,
) -> tuple[list[TrainState], list[Evaluation]]:
  """Trains tickets of one architecture side by side, then evaluates them.

  Results depend neither on which tickets share a batch nor on where segments
  end. Training ends early if every ticket has diverged.

  Args:
    trainer: the compiled functions.
    states: from `trainer.start` or a checkpoint, all at one step.
    seeds: for each ticket, the seed of its data order and augmentation.
    stop: the step before which training stops.
    after_segment: called after every dispatch; may raise to leave.
    per_ticket: how many devices share a ticket; by default, as suits their
      number.
      Another one rounds in another way.
  """
  (step,) = {int(state.step) for state in states}
  count = len(states)
  programs = trainer.programs(per_ticket or trainer.devices_per_ticket(count))
  state = programs.place(states)
  an_epoch = trainer.steps_per_epoch
  limit = _steps_at_once(programs.seconds_per_step)
  alive = np.ones(count, bool)
  windows = programs.windows(seeds, step, stop)
  window = Window(step, step, [])
  while step < stop and alive.any():
    if step == window.stop:
      with phase('input'):
        window = next(windows)
    epoch = step // an_epoch
    until = min(window.stop, step + limit)
    began = time.perf_counter()
    with phase('step'):
      state, metrics = programs.run(state, [until] * count, window)
      metrics = jax.tree.map(lambda m: m[:count], metrics)
    seconds = time.perf_counter() - began
    done, step = until - step, until
    alive &= metrics['diverged'] < 0
    # the first dispatch compiles, so that its time says nothing
    if limit > 1 or programs.seconds_per_step is not None:
      programs.seconds_per_step = seconds / done
      limit = _steps_at_once(programs.seconds_per_step)
    else:
      limit = SECOND_SEGMENT
    after_segment(
      Segment(
        step=step,
        epoch=epoch,
        seconds=seconds,
        loss=metrics['loss'] / metrics['count'],
        accuracy=metrics['correct'] / metrics['count'],
        diverged=metrics['diverged'],
        states=functools.partial(programs.fetch, state, count),
      )
    )
  with phase('evaluation'):
    totals = programs.evaluate(state)
  evaluations = [
    Evaluation(
      loss=float(totals['loss'][i] / totals['count'][i]),
      accuracy=float(totals['correct'][i] / totals['count'][i]),
    )
    for i in range(count)
  ]
  return programs.fetch(state, count), evaluations


def _steps_at_once(seconds_per_step: float | None) -> int:
  """The steps of a segment; one, if it is not known how long they take."""
  if seconds_per_step is None:
    return 1
  return max(1, int(SEGMENT_SECONDS / max(seconds_per_step, 1e-6)))
