"""What must be alike in all processes that share a study's runs."""

import dataclasses
import json

import jax

from elth_jax.process.hosts import Hosts
from elth_jax.storage import manifest
from elth_jax.storage.files import write_once
from elth_jax.study.spec import RunOptions
from elth_jax.workdir.store import Store, StoreError

NAME = 'layout.json'


@dataclasses.dataclass(frozen=True)
class Layout:
  """What decides how a study's runs round.

  Attributes:
    platform: `cpu`, `gpu` or `tpu`.
    device: the kind of device.
    devices: how many one process has.
    kernels: the C++ kernels that compute; empty for XLA's own convolutions.
    parallel: the option, which decides what lies on which device.
    deterministic: the option.
  """

  platform: str
  device: str
  devices: int
  kernels: str
  parallel: str
  deterministic: bool

  @classmethod
  def of(cls, options: RunOptions, hosts: Hosts, kernels: str) -> 'Layout':
    """What this process offers.

    Args:
      options: how the study is run.
      hosts: the processes that train together.
      kernels: from `record_kernels`.
    """
    return cls(
      platform=jax.default_backend(),
      device=hosts.devices[0].device_kind,
      devices=len(hosts.devices),
      kernels=kernels,
      parallel=str(options.parallel),
      deterministic=options.deterministic,
    )

  def fix(self, store: Store) -> None:
    """Makes this the layout of a shared workdir, unless it has one.

    Raises:
      StoreError: if it has another one.
    """
    path = store.root / NAME
    text = manifest.to_json(dataclasses.asdict(self))
    if write_once(path, text.encode()) or path.read_text('utf-8') == text:
      return
    try:
      fixed = Layout(**json.loads(path.read_bytes()))
    except (ValueError, TypeError) as error:
      raise StoreError(f'{path} is damaged; remove it') from error
    raise StoreError(
      f'{self.unlike(fixed)}; runs of one study are made alike everywhere, so '
      'that results do not depend on who made them. Start this process with '
      f'the same devices and options, or remove {path} while nobody works in '
      'the workdir, to have what is still to come made otherwise'
    )

  def unlike(self, wanted: 'Layout') -> str:
    """In what this process differs from what a study needs; empty if nowise."""
    mine, theirs = dataclasses.asdict(self), dataclasses.asdict(wanted)
    return ', '.join(
      f'{name} is {mine[name] or "none"!r} here, {theirs[name] or "none"!r} in '
      'the study'
      for name in mine
      if mine[name] != theirs[name]
    )
