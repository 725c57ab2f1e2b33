"""From which step a run that is half done goes on."""

import sys
from collections.abc import Callable
from pathlib import Path

from elth_jax.process.text import say
from elth_jax.storage.manifest import DamagedError
from elth_jax.study.nodes import Node, Run
from elth_jax.training import checkpoint
from elth_jax.workdir.store import Store, StoreError

SetAside = Callable[[Path, DamagedError, str], None]


class Checkpoints:
  """The checkpoints of one workdir; damaged ones are set aside.

  Args:
    store: the workdir.
    set_aside: is given what is damaged, the error, and what is done instead.
  """

  def __init__(self, store: Store, set_aside: SetAside | None = None):
    self._store = store
    self._set_aside = set_aside or self._move_and_say
    self._steps: dict[str, int | None] = {}

  def step(self, node: Run) -> int:
    """Where a run goes on: its last good checkpoint, or its start.

    Raises:
      StoreError: if other kernels made it, which round otherwise.
    """
    saved = self.saved_step(node)
    return node.start if saved is None else saved

  def saved_step(self, node: Node) -> int | None:
    """The step of the last good checkpoint of a run, or `None`.

    Raises:
      StoreError: if other kernels made it, which round otherwise.
    """
    if node.name not in self._steps:
      self._steps[node.name] = self._last_good_step(node)
    return self._steps[node.name]

  def forget(self, node: Node) -> None:
    """Drops what is known of a run, since files have changed."""
    self._steps.pop(node.name, None)

  def _last_good_step(self, node: Node) -> int | None:
    folder = self._store.partial(node)
    steps = checkpoint.steps(folder)
    while steps:
      step = steps.pop()
      try:
        made_by = checkpoint.check(folder, step, node.key)
        self._check_kernels(folder, node, made_by)
        return step
      except DamagedError as error:
        before = (
          f'{node.name} goes on from step {steps[-1]}'
          if steps
          else f'{node.name} starts again, since no good checkpoint is left'
        )
        self._set_aside(folder / f'step-{step}', error, before)
    return None

  def _check_kernels(self, folder: Path, node: Node, made_by: str) -> None:
    now = self._store.kernels
    if made_by == now:
      return
    if made_by and now:
      remedy = 'go on with the processor and the compiler that began it'
    else:
      remedy = f'go on with --config.native={"on" if made_by else "off"}'
    raise StoreError(
      f"{node.name} is half trained, by {made_by or 'XLA'}'s convolutions, and "
      f"this start would go on by {now or 'XLA'}'s, which round otherwise; "
      f'{remedy}, or remove {folder} to have it trained from the start'
    )

  def _move_and_say(self, path: Path, error: DamagedError, then: str) -> None:
    if path.exists():
      error = DamagedError(
        path, f'{error.why}; it is now {self._store.set_aside(path)}'
      )
    say(f'NOTE {error}; {then}', sys.stderr)
