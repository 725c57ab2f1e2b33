"""What a worker in another process must know of a study, and be able to do."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from elth_jax.runner.layout import Layout
from elth_jax.study.nodes import Node


@dataclasses.dataclass(frozen=True)
class Order:
  """One study, as it is sent to workers.

  Attributes:
    spec: what is asked for, as in config.json.
    options: how it is run, likewise.
    workdir: its absolute path.
    study: a hash of all nodes' keys.
    layout: the devices and kernels that runs need.
    config: the config's file and argument, which may register families or
      data sets; empty if there is none.
    compiled: where compiled programs are kept, as `keep_compiled` takes it.
    driver: token of the process that sends it.
  """

  spec: Mapping[str, Any]
  options: Mapping[str, Any]
  workdir: Path
  study: str
  layout: Layout
  config: str = ''
  compiled: str | None = None
  driver: str = ''

  @property
  def key(self) -> str:
    """Differs between studies, and between ways to run them."""
    how = json.dumps(dict(self.options), sort_keys=True)
    return f'{self.study} {self.workdir} {self.layout} {how}'


def study_hash(nodes: Mapping[str, Node]) -> str:
  """A hash of all nodes' names and keys."""
  keys = json.dumps({name: node.key for name, node in nodes.items()})
  return hashlib.sha256(keys.encode()).hexdigest()
