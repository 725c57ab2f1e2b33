"""TensorBoard, by event files in `WORKDIR/tensorboard`, without TensorFlow.

tensorboard --logdir WORKDIR/tensorboard
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from elth_jax.runner.trackers.tracker import Tracker, register

FOLDER = 'tensorboard'


class TensorBoard(Tracker):
  """A folder of events for each run.

  Args:
    root: the workdir.
    config: the study's; unused.
  """

  def __init__(self, root: Path, config: Mapping[str, Any]):
    del config
    import tensorboardX  # pyrefly: ignore

    self._make = tensorboardX.SummaryWriter
    self.folder = root / FOLDER
    self._writers: dict[str, Any] = {}

  def log(self, run: str, step: int, values: Mapping[str, float]) -> None:
    if run not in self._writers:
      self._writers[run] = self._make(str(self.folder / run))
    for name, value in values.items():
      self._writers[run].add_scalar(name, value, step)

  def finish(self, run: str, step: int, values: Mapping[str, float]) -> None:
    self.log(run, step, values)
    self._writers.pop(run).close()

  def close(self) -> None:
    for writer in self._writers.values():
      writer.close()
    self._writers.clear()


register('tensorboard', TensorBoard, package='tensorboardX')
