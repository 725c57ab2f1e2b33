"""The studies of `hosts_study`; the process is killed before some request.

KILL_BEFORE is a method of `ObjectStore` that writes, a pattern for the object,
and how many of them are let through.
"""

import os
import re
import signal

from ml_collections import ConfigDict

from elth_jax.storage.object_store import ObjectStore
from tests import hosts_study


def get_config(kind: str) -> ConfigDict:
  if os.environ.get('KILL_BEFORE'):
    method, pattern, left = os.environ['KILL_BEFORE'].split()
    kill_before(method, pattern, int(left))
  return hosts_study.get_config(kind)


def kill_before(method: str, pattern: str, left: int) -> None:
  original = getattr(ObjectStore, method)
  found = []

  def killed(self, name, *rest):
    if re.search(pattern, name):
      found.append(name)
      if len(found) > left:
        os.kill(os.getpid(), signal.SIGKILL)
    return original(self, name, *rest)

  setattr(ObjectStore, method, killed)
