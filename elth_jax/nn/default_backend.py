"""Which backend computes convolutions: the one place where it is chosen."""

import functools
import logging
from typing import Literal

import jax

from elth_jax.nn.conv_backends import GCHWN, NHWC, NHWC_PRODUCTS, ConvBackend
from elth_jax.nn.native import library
from elth_jax.nn.native.backend import NativeBackend, native_backend

Native = Literal['auto', 'on', 'off']
SWITCH = '--config.native'


def default_backend(tickets: int = 1, native: Native = 'auto') -> ConvBackend:
  """The backend for JAX's platform and for tickets that share a device.

  Measured on CPU; elsewhere it is what is known of GPUs' tensor cores.

  Args:
    tickets: how many share a device.
    native: whether C++ kernels compute on a CPU: `auto` if they can be had and
      vectors are wide (a notice is logged once if not), `on` or `off`.

  Raises:
    library.UnavailableError: if `native` is on and the kernels cannot be had.
  """
  if jax.default_backend() != 'cpu':
    if native == 'on':
      raise library.UnavailableError(
        f'{SWITCH}=on: the kernels are for a CPU, and JAX uses a '
        f'{jax.default_backend()}; set {SWITCH}=auto, or JAX_PLATFORMS=cpu'
      )
    return NHWC if tickets == 1 else NHWC_PRODUCTS
  if native == 'off':
    return GCHWN
  found, why = _native()
  if found is not None and (native == 'on' or not why):
    return found
  if native == 'on':
    raise library.UnavailableError(
      f'{SWITCH}=on: {why}; or set {SWITCH}=auto to go without'
    )
  _notice_once(why)
  return GCHWN


def kernels(backend: ConvBackend) -> str:
  """What to record of the kernels that make a result; '' for XLA's."""
  return backend.library.name if isinstance(backend, NativeBackend) else ''


@functools.cache
def _native() -> tuple[NativeBackend | None, str]:
  """The backend if it can be had, and why it is not to be used of itself."""
  instructions = library.best_instructions()
  try:
    found = native_backend(library.load(instructions))
  except library.UnavailableError as error:
    return None, str(error)
  if instructions == 'plain':
    return found, 'this processor has neither AVX2 nor AVX-512'
  return found, ''


@functools.cache
def _notice_once(why: str) -> None:
  logging.getLogger(__name__).warning(
    'convolutions are computed by XLA, more slowly than by the C++ kernels: %s',
    why,
  )
