"""Trackers: other programs that show how training goes, by name.

A new tracker is a new module here, which calls `register`; it is found.
`--config.tracker=NAME` chooses one. None changes what is in the workdir beside
a folder of its own.
"""

from elth_jax.registry import import_modules
from elth_jax.runner.trackers.tracker import (
  TRACKERS,
  NoTracker,
  Tracker,
  check,
  register,
  start,
)

__all__ = ['TRACKERS', 'NoTracker', 'Tracker', 'check', 'register', 'start']

import_modules(__name__, __path__)
