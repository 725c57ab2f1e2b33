"""What stands for leases where one process has the workdir for itself."""

import contextlib
from collections.abc import Callable, Mapping

from elth_jax.workdir.owners import Owner


class NoLeases:
  """Of a process that has its workdir for itself: it may do everything."""

  token = ''

  def touch(self) -> None:
    pass

  def claim(self, name: str) -> bool:
    return True

  def holds(self, name: str) -> bool:
    return True

  def release(self, name: str) -> None:
    pass

  def alone(
    self, name: str, asked_to_stop: Callable[[], bool] = lambda: False
  ) -> contextlib.AbstractContextManager[bool]:
    return contextlib.nullcontext(True)

  def others(self) -> Mapping[str, Owner]:
    return {}

  def held_by_others(self) -> Mapping[str, str]:
    return {}
