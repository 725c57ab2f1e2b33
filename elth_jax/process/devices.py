"""The devices that JAX computes on: how many, and whether there are any."""

import os
import re
from collections.abc import Sequence
from typing import Any

import jax

from elth_jax.process.processor import usable_cores

MOST_CPU_DEVICES = 8
XLA_FLAG = '--xla_force_host_platform_device_count'
EXTRAS = {'cuda': 'cuda', 'gpu': 'cuda', 'tpu': 'tpu'}  # platform -> extra


class DeviceError(RuntimeError):
  """JAX cannot use the devices that it was told to use; says what to do."""


def suitable_cpu_devices() -> int:
  """How many devices to split a CPU into: one for each core, up to 8."""
  return min(usable_cores(), MOST_CPU_DEVICES)


def platform_of(devices: Sequence[jax.Device] | None = None) -> str:
  """`cpu`, `gpu` or `tpu`: what some devices are; JAX's own by default.

  Devices that are only described (`elth_jax.aot`) are of another platform
  than JAX's own, so programs are chosen for the devices that they are for.
  """
  return devices[0].platform if devices else jax.default_backend()


def cpu_device(purpose: str) -> jax.Device:
  """This process's first CPU device, whatever JAX computes on otherwise.

  Args:
    purpose: what needs it, for the error.

  Raises:
    DeviceError: if JAX_PLATFORMS leaves the CPU out.
  """
  try:
    return jax.local_devices(backend='cpu')[0]
  except RuntimeError as error:
    asked = jax.config.jax_platforms  # pyrefly: ignore
    raise DeviceError(
      f'{purpose} computes on the CPU, which JAX_PLATFORMS={asked} leaves out; '
      f'set JAX_PLATFORMS={asked},cpu'
    ) from error


def split_cpu() -> None:
  """Splits the CPU into devices, unless the environment says how many.

  JAX_NUM_CPU_DEVICES and XLA_FLAGS say so; where both do, JAX takes the first.
  This changes a setting of the process, so only commands call it, before JAX
  computes anything.
  """
  given = os.environ.get('JAX_NUM_CPU_DEVICES')
  if not given and XLA_FLAG not in os.environ.get('XLA_FLAGS', ''):
    jax.config.update('jax_num_cpu_devices', suitable_cpu_devices())


def unlike_the_command() -> str:
  """What differs from the devices that the command line would use, in a line.

  Returns:
    Empty if nothing does; results on other devices differ in rounding.
  """
  wanted, there = suitable_cpu_devices(), jax.local_device_count()
  chosen = os.environ.get('JAX_NUM_CPU_DEVICES') or XLA_FLAG in os.environ.get(
    'XLA_FLAGS', ''
  )
  if jax.default_backend() != 'cpu' or there == wanted or chosen:
    return ''
  return (
    f'JAX was started with {there} CPU device(s); the command line would use '
    f'{wanted}, which is faster and rounds otherwise. Set '
    f"jax.config.update('jax_num_cpu_devices', {wanted}) before JAX computes"
  )


def require() -> None:
  """Starts JAX's backend, or says why it cannot be started.

  Raises:
    DeviceError: naming the setting at fault and the remedy, in one line.
  """
  try:
    jax.devices()
  except Exception as error:  # an AssertionError, or a RuntimeError
    raise DeviceError(_why(error)) from error


def _why(error: Exception) -> str:
  config: Any = jax.config
  if config.jax_num_cpu_devices == 0:
    return 'JAX_NUM_CPU_DEVICES is 0; give 1 or more, or unset it'
  # without the last remark, which is about JAX_PLATFORMS as well
  found = re.sub(r'\s*\([^()]*JAX_PLATFORMS[^()]*\)$', '', str(error))
  found = ' '.join(found.split()).rstrip('.') or 'its plugin is not installed'
  asked = config.jax_platforms
  if not asked:
    return f'JAX finds no device: {found}; set JAX_PLATFORMS=cpu for the CPU'
  extras = {EXTRAS[name]: 0 for name in asked.split(',') if name in EXTRAS}
  install = ', '.join(f"pip install 'elth_jax[{extra}]'" for extra in extras)
  remedy = (
    f'install it ({install}), or unset' if install else 'correct or unset'
  )
  return f'JAX cannot use {asked!r}: {found}; {remedy} JAX_PLATFORMS'
