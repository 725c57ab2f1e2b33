"""Devices that are only described, and data sets without images.

The real compilers of TPU and GPU run without a device: libtpu's, and that of
the CUDA plugin. The extra `aot` installs both.
"""

import contextlib
import dataclasses
import importlib.metadata
import importlib.util
import os
from collections.abc import Generator, Sequence
from typing import Any

import jax
import numpy as np
from jax.experimental import topologies

from elth_jax.datasets import Dataset, Stream
from elth_jax.datasets.dataset import Images

# without these libtpu asks a server of Google's where it is, and refuses a
# second process on this machine
TPU_ENVIRONMENT = {
  'ALLOW_MULTIPLE_LIBTPU_LOAD': '1',
  'TPU_ACCELERATOR_TYPE': 'v5litepod-4',
  'TPU_MIN_LOG_LEVEL': '3',
  'TPU_SKIP_MDS_QUERY': '1',
  'TPU_STDERR_LOG_LEVEL': '3',
  'TPU_WORKER_HOSTNAMES': 'localhost',
}
H100 = """
gpu_device_info {
  threads_per_block_limit: 1024
  threads_per_warp: 32
  shared_memory_per_block: 49152
  shared_memory_per_core: 233472
  threads_per_core_limit: 2048
  core_count: 132
  fpus_per_core: 128
  block_dim_limit_x: 2147483647
  block_dim_limit_y: 65535
  block_dim_limit_z: 65535
  memory_bandwidth: 3352320000000
  l2_cache_size: 52428800
  clock_rate_ghz: 1.98
  device_memory_size: 84929347584
  shared_memory_per_block_optin: 232448
  cuda_compute_capability { major: 9 minor: 0 }
  registers_per_core_limit: 65536
  registers_per_block_limit: 65536
}
platform_name: "CUDA"
dnn_version_info { major: 9 minor: 12 }
runtime_version { major: 13 minor: 0 patch: 0 }
device_description_str: "NVIDIA H100 80GB HBM3"
"""


class MissingCompilerError(RuntimeError):
  """The compiler of a kind of device is not installed; says how to get it."""


@dataclasses.dataclass(frozen=True)
class Target:
  """A kind of device that programs can be compiled for.

  Attributes:
    platform: as `jax.experimental.topologies` names it.
    package: that has the compiler.
    memory: bytes on each device.
    most: how many devices can be described.
    topology: how they are described, as JAX reads it.
    options: for the compiler. TPU's takes many minutes for a program at its
      default effort, and some 20 s of a core at the lowest.
  """

  platform: str
  package: str
  memory: int
  most: int
  topology: dict[str, Any]
  options: dict[str, Any] = dataclasses.field(default_factory=dict)


TARGETS = {
  'v5e': Target(
    'tpu',
    'libtpu',
    16 * 2**30,
    4,
    {'topology_name': 'v5e:2x2'},
    {'exec_time_optimization_effort': -1.0},
  ),
  'h100': Target(
    'cuda', 'jax_cuda13_plugin', 84_929_347_584, 8, {'target_config': H100}
  ),
}


def described_devices(name: str, count: int = 1) -> list[jax.Device]:
  """Devices to compile for; nothing can run on them.

  Args:
    name: `v5e` or `h100`.
    count: how many.

  Raises:
    ValueError: if the name is unknown, or there are not so many.
    MissingCompilerError: naming the package to install.
  """
  if name not in TARGETS:
    raise ValueError(f'device {name!r} is unknown; give {" or ".join(TARGETS)}')
  target = TARGETS[name]
  if not 0 < count <= target.most:
    raise ValueError(
      f'{count} devices {name}: 1 to {target.most} can be described'
    )
  if importlib.util.find_spec(target.package) is None:
    raise MissingCompilerError(
      f'{name} needs {target.package}, which is not installed; '
      "pip install 'elth_jax[aot]'"
    )
  _check_version(name, target)
  topology = dict(target.topology)
  if target.platform == 'cuda':
    topology['topology'] = f'1x1x{count}'
  with _environment(TPU_ENVIRONMENT if target.platform == 'tpu' else {}):
    found = topologies.get_topology_desc(platform=target.platform, **topology)
  return list(found.devices[:count])


def _check_version(name: str, target: Target) -> None:
  """A CUDA plugin serves the JAX of its own version alone."""
  found = importlib.metadata.version(target.package.replace('_', '-'))
  if target.platform == 'cuda' and found != jax.__version__:
    raise MissingCompilerError(
      f'{name} needs {target.package} {jax.__version__} as JAX is, found '
      f"{found}; pip install 'elth_jax[aot]'"
    )


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Generator[None]:
  """Variables that are set meanwhile, unless they are set already."""
  mine = {name: text for name, text in values.items() if name not in os.environ}
  os.environ.update(mine)
  try:
    yield
  finally:
    for name in mine:
      os.environ.pop(name, None)


def without_images(
  outline: Images, tests: int = 10_000, stream: bool = False
) -> Dataset | Stream:
  """A data set of an outline's shapes that takes no memory.

  Args:
    outline: what is known of it.
    tests: how many test images it has.
    stream: whether it is read while training goes on.
  """
  known = {
    'name': outline.name,
    'classes': outline.classes,
    'mean': outline.mean,
    'std': outline.std,
    'shape': outline.shape,
  }
  if stream:
    side = outline.stored_shape[0]
    return Stream(
      **known,
      train=_Absent(outline.examples),
      test=_Absent(tests),
      fingerprint='',
      side=side,
    )

  def blank(count: int) -> tuple[np.ndarray, np.ndarray]:
    images = np.broadcast_to(np.uint8(0), (count, *outline.stored_shape))
    return images, np.broadcast_to(np.int32(0), (count,))

  (train_images, train_labels), (test_images, test_labels) = (
    blank(outline.examples),
    blank(tests),
  )
  return Dataset(
    **known,
    train_images=train_images,
    train_labels=train_labels,
    test_images=test_images,
    test_labels=test_labels,
  )


@dataclasses.dataclass(frozen=True)
class _Absent(Sequence):
  """Records of which only the number is known."""

  records: int

  def __len__(self) -> int:
    return self.records

  def __getitem__(self, index):
    raise LookupError('the data set has no images; it is for compiling alone')
