"""The page of a study: once in a while as it runs, and when it is done."""

import time
from collections.abc import Sequence

from elth_jax.process.phases import phase
from elth_jax.report import results, write_report
from elth_jax.report.summary import Row
from elth_jax.runner.run import Runner
from elth_jax.study.spec import StudySpec

LEAST = 20.0  # seconds from one page to the next
SHARE = 0.02  # of the time that pages may take


class Page:
  """Writes report.html.

  Args:
    runner: what is done, and what failed.
    spec: what was asked for.
    command: how to run the study again, where there is a command.
    test_images: how many there are.
  """

  def __init__(
    self, runner: Runner, spec: StudySpec, command: str, test_images: int
  ):
    self.runner = runner
    self.spec = spec
    self.command = command
    self.test_images = test_images
    self._next = time.monotonic() + LEAST

  def refresh(self) -> None:
    """Writes the page of an unfinished study, if the last one is old.

    Not in a workdir that processes share: another one may have finished the
    study, and with it the page.
    """
    runner, began = self.runner, time.monotonic()
    if began < self._next or runner.store.shared or not self._left():
      return
    with phase('report'):
      rows = results.collect(runner.nodes, runner.store, runner.done)
      self.write(results.of_targets(results.with_accuracy(rows), self.spec))
    now = time.monotonic()
    self._next = now + max(LEAST, (now - began) / SHARE)

  def _left(self) -> bool:
    """Whether anything is to be done."""
    runner = self.runner
    return not runner.nodes.keys() <= runner.done | runner.failed.keys()

  def write(self, rows: Sequence[Row], notes: Sequence[str] = ()) -> None:
    """Writes the page, and figures once all is done.

    Args:
      rows: of results.csv.
      notes: what was damaged or has changed since the study began.

    Raises:
      StudyStopped: if asked to stop.
    """
    runner = self.runner
    done = {*runner.done} - runner.failed.keys()
    write_report(
      runner.store,
      self.spec,
      runner.nodes,
      rows,
      runner.failed,
      notes,
      self.command,
      runner.asked_to_stop,
      done,
      self.test_images,
    )
