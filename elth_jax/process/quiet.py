"""Third-party logging that is turned down for a while, then put back."""

import contextlib
import logging
from collections.abc import Iterator


@contextlib.contextmanager
def absl_logging_at(level: int) -> Iterator[None]:
  """Only messages of this level and above are logged by absl's users."""
  logger = logging.getLogger('absl')
  before = logger.level
  logger.setLevel(level)
  try:
    yield
  finally:
    logger.setLevel(before)
