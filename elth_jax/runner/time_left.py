"""How long a study still takes, by its pace so far."""

import datetime
import time
from collections.abc import Callable

KNOWN = 0.02  # of the work must be done before its pace says anything
SLACK = 0.1  # an estimate may be so much too short before it is corrected
LEAST_SLACK = 5.0  # seconds


class TimeLeft:
  """Seconds left, which count down, and rise only when the pace has dropped.

  The pace is that of all work since the start. It varies with every dispatch,
  so that an estimate made anew each time would go up and down.

  Args:
    work: all that is to do, in any unit; 0 takes no time.
    clock: seconds, as `time.monotonic`.
  """

  def __init__(self, work: float, clock: Callable[[], float] = time.monotonic):
    self.work, self.done = work, 0.0
    self._clock = clock
    self._began = clock()
    self._end: float | None = None

  def add(self, work: float) -> None:
    """Notes work that has been done since the last call."""
    self.done += work
    if self.done and self.done >= KNOWN * self.work:
      self._estimate()

  def seconds(self) -> float | None:
    """Seconds left now, or `None` while too little is known."""
    if self._end is None:  # runs of zero steps are no work, and take no time
      return None if self.work else 0.0
    if self._clock() > self._end:
      self._estimate()
    return max(self._end - self._clock(), 0.0)

  def _estimate(self) -> None:
    """Moves the end, unless it is late by less than the slack."""
    now = self._clock()
    rest = max(self.work / self.done - 1, 0.0)
    end = now + (now - self._began) * rest
    slack = max(SLACK * (end - now), LEAST_SLACK)
    if self._end is None or not self._end <= end <= self._end + slack:
      self._end = end

  def __str__(self) -> str:
    seconds = self.seconds()
    if seconds is None:
      return 'time left unknown'
    return f'{datetime.timedelta(seconds=round(seconds))} left'
