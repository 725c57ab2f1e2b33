"""Steps that several processes compute: one tells the others what to do."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import jax
import numpy as np

from elth_jax.masks.counting import masked_leaves
from elth_jax.process.arrays import broadcast
from elth_jax.process.hosts import Hosts
from elth_jax.tickets.ticket import Ticket
from elth_jax.training.compiled_steps import CompiledSteps
from elth_jax.training.input_pipeline import Window
from elth_jax.training.state import TrainState
from elth_jax.training.trainer import Trainer
from elth_jax.trees import PyTree, map_named


class LedSteps(CompiledSteps):
  """`CompiledSteps` of the leader: the others are told every call.

  Args:
    args: of `CompiledSteps`.
    hosts: who is told.
    trainer: the number by which the others know the trainer.
  """

  def __init__(self, *args: Any, hosts: Hosts, trainer: int):
    super().__init__(*args)
    self._hosts = hosts
    self._trainer = trainer

  def place(self, states: Sequence[TrainState]) -> TrainState:
    masked = [name for name, _ in masked_leaves(states[0].masks)]
    self._hosts.tell(
      'place',
      trainer=self._trainer,
      per_ticket=self.per_ticket,
      count=len(states),
      masked=masked,
    )
    send(states)
    self._hosts.forget()  # all have taken part, so all have heard
    return super().place(states)

  def windows(
    self, seeds: Sequence[int], step: int, stop: int
  ) -> Iterator[Window]:
    self._hosts.tell('windows', seeds=list(seeds), step=step, stop=stop)
    return super().windows(seeds, step, stop)

  def run(
    self, state: TrainState, stops: Sequence[int], window: Window
  ) -> tuple[TrainState, PyTree]:
    self._hosts.tell('run', stops=list(stops), first=window.first)
    return super().run(state, stops, window)

  def fetch(self, state: TrainState, count: int) -> list[TrainState]:
    self._hosts.tell('fetch', count=count)
    return super().fetch(state, count)

  def evaluate(self, state: TrainState) -> PyTree:
    self._hosts.tell('evaluate')
    return super().evaluate(state)

  def statistics(self, state: TrainState) -> TrainState:
    self._hosts.tell('statistics')
    return super().statistics(state)


def send(states: Sequence[TrainState]) -> None:
  """Sends states to all other processes, which must `receive` them."""
  broadcast([jax.tree.map(_as_on_devices, state) for state in states])


def receive(
  trainer: Trainer, count: int, masked: Collection[str]
) -> list[TrainState]:
  """The states that the leader sends.

  Args:
    trainer: of the states.
    count: how many there are.
    masked: names of the leaves that have a mask.
  """
  blank = jax.tree.map(_as_on_devices, _blank(trainer, masked))
  return broadcast([blank] * count)


def _blank(trainer: Trainer, masked: Collection[str]) -> TrainState:
  """A state of zeros; it says structure, shapes and dtypes."""
  net = trainer.architecture
  zeros = jax.tree.map(lambda s: np.zeros(s.shape, s.dtype), net.shapes())

  def mask(name: str, leaf: np.ndarray) -> np.ndarray | None:
    return np.zeros(leaf.shape, bool) if name in masked else None

  ticket = Ticket(
    architecture=net.to_json(),
    params=zeros['params'],
    batch_stats=zeros['batch_stats'],
    masks=map_named(mask, zeros['params']),
  )
  return trainer.start(ticket, 0, keep=sum(net.parameters().values()))


def _as_on_devices(leaf: Any) -> np.ndarray:
  """The leaf in the dtype that it has on devices."""
  array = np.asarray(leaf)
  return array.astype(jax.dtypes.canonicalize_dtype(array.dtype))
