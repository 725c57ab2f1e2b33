"""What a process does that another one leads: the same steps as it."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax

from elth_jax.datasets import Dataset, Stream
from elth_jax.process.hosts import Hosts
from elth_jax.runner.trainers import make_trainer, within
from elth_jax.study.nodes import Node
from elth_jax.study.spec import RunOptions
from elth_jax.training.compiled_steps import CompiledSteps
from elth_jax.training.input_pipeline import Window
from elth_jax.training.led_steps import receive
from elth_jax.training.state import TrainState
from elth_jax.training.trainer import Trainer


class Follower:
  """Does what the leader tells, see `LedSteps`; writes nothing.

  Args:
    hosts: the leader and the other processes.
    nodes: the study, the same as the leader's.
    data: name -> data set, as nodes name it.
    options: how the study is run.
  """

  def __init__(
    self,
    hosts: Hosts,
    nodes: Mapping[str, Node],
    data: Mapping[str, Dataset | Stream],
    options: RunOptions,
  ):
    self._hosts = hosts
    self._nodes = nodes
    self._data = data
    self._options = options
    self._trainers: list[Trainer] = []
    # of the batch that is trained or tested; no steps if other devices do it
    self._steps: CompiledSteps | None = None
    self._state: TrainState | None = None
    self._windows: Iterator[Window] = iter(())
    self._window: Window | None = None

  def follow(self, asked_to_stop: Callable[[], bool]) -> dict[str, str]:
    """Follows until the study is done.

    Args:
      asked_to_stop: looked at while waiting; passed on to the leader.

    Returns:
      Name of a node -> why it failed, as the leader says.

    Raises:
      StudyStopped: if the leader stops.
      HostsError: if the leader fails.
    """
    while True:
      message = self._hosts.hear(asked_to_stop)
      do = message.pop('do')
      if do == 'done':
        return message['failed']
      if do == 'trainer':
        self._add_trainer(**message)
      elif do == 'place':
        self._place(**message)
      elif self._steps is not None:
        self._do(self._steps, do, **message)

  def _add_trainer(self, node: str, placement: dict[str, Any]) -> None:
    self._trainers.append(
      make_trainer(
        self._nodes[node],
        self._data,
        self._options,
        within(self._hosts.devices, placement),
      )
    )

  def _place(
    self, trainer: int, per_ticket: int, count: int, masked: list[str]
  ) -> None:
    chosen = self._trainers[trainer]
    states = receive(chosen, count, masked)
    devices = chosen.devices_for(per_ticket)
    self._steps = self._state = None
    if any(one.process_index == jax.process_index() for one in devices):
      self._steps = chosen.programs(per_ticket)
      self._state = self._steps.place(states)

  def _do(self, steps: CompiledSteps, do: str, **message: Any) -> None:
    """One call of the leader's, on this process's devices."""
    assert self._state is not None
    if do == 'windows':
      self._windows, self._window = steps.windows(**message), None
    elif do == 'run':
      self._state, _ = steps.run(
        self._state, message['stops'], self._window_at(message['first'])
      )
    elif do == 'fetch':
      steps.fetch(self._state, **message)
    elif do == 'evaluate':
      steps.evaluate(self._state)
    elif do == 'statistics':
      self._state = steps.statistics(self._state)
    else:
      raise ValueError(f'process 0 asks for {do!r}, which is not known here')

  def _window_at(self, first: int) -> Window:
    """The window whose first step is `first`, in this process's part."""
    while self._window is None or self._window.first != first:
      self._window = next(self._windows)
    return self._window
