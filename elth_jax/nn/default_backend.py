"""Which backend computes convolutions: the one place where it is chosen."""

import functools
import logging
import os
from collections.abc import Sequence
from typing import Literal

import jax

from elth_jax.nn.conv_backends import GCHWN, NHWC, NHWC_EACH, ConvBackend
from elth_jax.nn.native import library
from elth_jax.nn.native.backend import NativeBackend, native_backend
from elth_jax.process.devices import platform_of

Native = Literal['auto', 'on', 'off']
SWITCH = '--config.native'


def default_backend(
  tickets: int = 1,
  native: Native = 'auto',
  devices: Sequence[jax.Device] | None = None,
) -> ConvBackend:
  """The backend for some devices and for tickets that share one of them.

  Measured on CPU and on an H100; for TPU by its compiler's figures
  (docs/accelerators.md).

  Args:
    tickets: how many share a device.
    native: whether C++ kernels compute on a CPU: `auto` if they can be had and
      vectors are wide (a notice is logged once if not), `on` or `off`.
    devices: what it is for, described ones too; JAX's own by default.

  Raises:
    library.UnavailableError: if `native` is on and the kernels cannot be had.
  """
  platform = platform_of(devices)
  if platform != 'cpu':
    if native == 'on':
      raise library.UnavailableError(
        f'{SWITCH}=on: the kernels are for a CPU, and JAX uses a '
        f'{platform}; set {SWITCH}=auto, or JAX_PLATFORMS=cpu'
      )
    if tickets == 1 or in_turn(devices):
      return NHWC
    return NHWC_EACH
  if native == 'off':
    return GCHWN
  if native == 'auto' and library.best_instructions() == 'plain':
    _notice_once('this processor has neither AVX2 nor AVX-512')
    return GCHWN
  found = _native(os.environ.get('CXX'), os.environ.get('PATH'))
  if isinstance(found, NativeBackend):
    return found
  if native == 'on':
    raise library.UnavailableError(
      f'{SWITCH}=on: {found}; or set {SWITCH}=auto to go without'
    )
  _notice_once(found)
  return GCHWN


def in_turn(devices: Sequence[jax.Device] | None = None) -> bool:
  """Whether tickets that share a device are trained one after the other.

  So on a TPU, where one ticket fills a core: side by side, 8 tickets cost 11
  times as many cycles as one, or 37 times as products.
  """
  return platform_of(devices) == 'tpu'


def kernels(backend: ConvBackend) -> str:
  """What to record of the kernels that make a result; '' for XLA's."""
  return backend.library.name if isinstance(backend, NativeBackend) else ''


@functools.cache
def _native(compiler: str | None, path: str | None) -> NativeBackend | str:
  """The backend, or why it cannot be had.

  `compiler` and `path` are what the answer depends on in the environment.
  """
  del compiler, path
  try:
    return native_backend(library.load(library.best_instructions()))
  except library.UnavailableError as error:
    return str(error)


@functools.cache
def _notice_once(why: str) -> None:
  logging.getLogger(__name__).warning(
    'convolutions are computed by XLA, more slowly than by the C++ kernels: %s',
    why,
  )
