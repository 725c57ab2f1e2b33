"""Third-party logging that is turned down for a while, then put back."""

import contextlib
import logging
from collections.abc import Generator


@contextlib.contextmanager
def logging_at(level: int, name: str) -> Generator[None]:
  """Only messages of this level and above are logged.

  Args:
    level: as in `logging`.
    name: of the logger, e.g. `absl`.
  """
  logger = logging.getLogger(name)
  before = logger.level
  logger.setLevel(level)
  try:
    yield
  finally:
    logger.setLevel(before)
