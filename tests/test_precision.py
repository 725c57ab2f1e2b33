"""What is chosen by devices, and what needs the CPU."""

import jax
import numpy as np
import pytest

from elth_jax.process.compiler_options import compiler_options, start_cudnn
from elth_jax.process.devices import DeviceError, cpu_device
from elth_jax.process.precision import products_in


class Device:
  """Of a device, what a choice by devices looks at."""

  process_index = 0

  def __init__(self, platform):
    self.platform = platform


@pytest.mark.parametrize(
  ('precision', 'platform', 'written'),
  [
    ('highest', 'tpu', 'HIGHEST'),
    ('tensorfloat32', 'gpu', 'HIGH'),
    ('bfloat16', 'tpu', 'DEFAULT'),
    ('highest', 'cpu', 'DEFAULT'),  # which always multiplies float32 as it is
  ],
)
def test_products_are_written_for_the_devices(precision, platform, written):
  def product(x):
    with products_in(precision, [Device(platform)]):
      return x @ x

  text = jax.jit(product).lower(np.ones((2, 2), np.float32)).as_text()
  assert f'[{written}, {written}]' in text or (
    written == 'DEFAULT' and 'precision' not in text
  )


def test_a_left_out_cpu_is_named_with_the_remedy(monkeypatch):
  def none(backend):
    raise RuntimeError(f'Unknown backend {backend}')

  monkeypatch.setattr('jax.local_devices', none)
  with pytest.raises(DeviceError, match=r'SynFlow .* JAX_PLATFORMS=.*,cpu'):
    cpu_device('SynFlow')


def test_a_gpu_runs_a_dispatch_as_one_graph(monkeypatch, caplog):
  """If the compiler knows how; if not, that is said once."""
  for platform in ('cpu', 'tpu'):
    assert compiler_options([Device(platform)], deterministic=True) == {}
  monkeypatch.setattr('elth_jax.process.compiler_options.GRAPHED', ('FUSION',))
  options = compiler_options([Device('gpu')])
  assert options == {
    'xla_gpu_enable_command_buffer': 'FUSION',
    'xla_gpu_command_buffer_scheduling_mode': 'CONCURRENT',
  }
  same_bits = {'xla_gpu_deterministic_ops': True}
  assert compiler_options([Device('gpu')], True) == {**options, **same_bits}
  assert not caplog.messages
  monkeypatch.setattr('elth_jax.process.compiler_options.GRAPHED', ('NEWER',))
  for _ in range(2):
    assert compiler_options([Device('gpu')], True) == same_bits
  (message,) = caplog.messages
  assert 'cannot run a whole dispatch' in message and "'NEWER'" in message


@pytest.mark.skipif(
  jax.__version_info__ < (0, 10, 2), reason='it does not know convolutions'
)
def test_this_jax_knows_all_kernels_of_a_graph():
  options = compiler_options([Device('gpu')])
  assert 'WHILE' in str(options['xla_gpu_enable_command_buffer'])


def test_cudnn_starts_on_this_processs_gpus_alone(monkeypatch):
  started = []
  monkeypatch.setattr(
    'elth_jax.process.compiler_options._convolve_on', started.append
  )
  mine, other, cpu = Device('gpu'), Device('gpu'), jax.local_devices()[0]
  mine.process_index, other.process_index = jax.process_index(), 7
  start_cudnn([mine, other, cpu])
  assert started == [mine]
