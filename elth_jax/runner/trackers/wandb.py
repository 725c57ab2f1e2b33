"""Weights & Biases: a run of theirs for each start of a study."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from elth_jax.runner.trackers.tracker import Tracker, register

PROJECT = 'elth_jax'


class WandB(Tracker):
  """Curves of all runs, by name, in `WORKDIR/wandb` and perhaps online.

  Without an account everything stays in the folder; it says how to upload it
  later. It goes online where WANDB_API_KEY is set, or as WANDB_MODE says.

  Args:
    root: the workdir.
    config: the study's, to be shown beside the curves.
  """

  def __init__(self, root: Path, config: Mapping[str, Any]):
    import wandb  # pyrefly: ignore

    mode = os.environ.get('WANDB_MODE')
    has_account = bool(os.environ.get('WANDB_API_KEY'))
    self._run = wandb.init(
      project=os.environ.get('WANDB_PROJECT') or PROJECT,
      name=root.absolute().name,
      dir=str(root),
      config=dict(config),
      mode=mode or ('online' if has_account else 'offline'),
    )
    self._known: set[str] = set()

  def log(self, run: str, step: int, values: Mapping[str, float]) -> None:
    if run not in self._known:
      self._known.add(run)
      self._run.define_metric(f'{run}/*', step_metric=f'{run}/step')
    named = {f'{run}/{name}': value for name, value in values.items()}
    self._run.log({f'{run}/step': step, **named})

  def finish(self, run: str, step: int, values: Mapping[str, float]) -> None:
    self.log(run, step, values)

  def close(self) -> None:
    self._run.finish()


register('wandb', WandB, package='wandb')
