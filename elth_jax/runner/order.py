"""What a worker in another process must know of a study, and be able to do."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax

from elth_jax.process.hosts import Hosts
from elth_jax.process.text import counted, say
from elth_jax.runner.layout import Layout
from elth_jax.study.nodes import Node
from elth_jax.versions import code, versions


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


def agree(
  hosts: Hosts,
  nodes: Mapping[str, Node],
  kernels: str,
  asked_to_stop: Callable[[], bool],
) -> None:
  """Compares what must be the same in all processes, if there are several."""
  if hosts.count == 1:
    return
  facts = {
    **versions(),
    'code': code(),
    'platform': jax.default_backend(),
    'kernels': kernels or "XLA's",
    'study': study_hash(nodes),
  }
  hosts.agree(facts, asked_to_stop)
  if hosts.leads:
    each = len(hosts.devices) // hosts.count
    say(f'{hosts.count} processes of {counted(each, "device")} each')
