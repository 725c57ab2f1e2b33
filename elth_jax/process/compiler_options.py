"""What XLA is told about training on some devices, and what they need first."""

import functools
import logging
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax

from elth_jax.process.devices import platform_of

# kernels that a CUDA graph may hold: XLA's own choice, convolutions, and the
# loop over steps
GRAPHED = (
  'FUSION',
  'CUBLAS',
  'CUBLASLT',
  'CUDNN',
  'CUSTOM_CALL',
  'DYNAMIC_SLICE_FUSION',
  'CONDITIONAL',
  'CONVOLUTION',
  'WHILE',
)


def compiler_options(
  devices: Sequence[jax.Device], deterministic: bool = False
) -> dict[str, str | bool]:
  """XLA's options for training programs, for `jax.jit`.

  A step on a GPU is hundreds of short kernels. Here a whole dispatch becomes
  one CUDA graph whose kernels run side by side where they do not depend on
  each other, those of several tickets above all. On an H100 one ResNet-20
  trains 1.6 times as fast as by XLA's own options, and eight 1.9 times
  (benchmarks/RESULTS.md). A JAX that does not know these options, as before
  0.10.2, goes without, which is logged once.

  Args:
    devices: what is compiled for.
    deterministic: refuse a GPU's kernels whose results vary from run to run.
  """
  if platform_of(devices) != 'gpu':
    return {}
  options: dict[str, str | bool] = dict(_known_graphs(GRAPHED))
  if deterministic:
    options['xla_gpu_deterministic_ops'] = True
  return options


@functools.cache
def _known_graphs(kernels: tuple[str, ...]) -> dict[str, str]:
  """The options of CUDA graphs; none where the compiler refuses them."""
  options = {
    'xla_gpu_enable_command_buffer': ','.join(kernels),
    'xla_gpu_command_buffer_scheduling_mode': 'CONCURRENT',
  }
  try:
    jax.jit(lambda x: x, compiler_options=options).lower(0.0).compile()
  except jax.errors.JaxRuntimeError as error:
    logging.getLogger(__name__).warning(
      'JAX %s cannot run a whole dispatch as one CUDA graph, which on an H100 '
      'was up to twice as fast (%s); 0.10.2 and 0.11.2 can',
      jax.__version__,
      str(error).splitlines()[0],
    )
    return {}
  return options


def start_cudnn(devices: Sequence[jax.Device]) -> None:
  """Has each GPU compute a convolution once, so that cuDNN starts.

  It starts at the first convolution, which must not be inside a CUDA graph. A
  program that is compiled tries convolutions on the way; one that comes from
  the cache does not, and would fail with `No DNN support for stream`.

  Args:
    devices: what a program from `compiler_options` is about to run on; those of
      other processes, and those that are no GPUs, are left alone.
  """
  for device in devices:
    if device.platform == 'gpu' and device.process_index == jax.process_index():
      _convolve_on(device)


@functools.cache
def _convolve_on(device: jax.Device) -> None:
  image = jax.device_put(jnp.ones((1, 1, 8, 8)), device)
  kernel = jax.device_put(jnp.ones((1, 1, 3, 3)), device)
  convolve = jax.jit(lambda x, kernel: lax.conv(x, kernel, (1, 1), 'SAME'))
  convolve(image, kernel).block_until_ready()
