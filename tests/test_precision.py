"""In which precision products are multiplied, by devices."""

import jax
import numpy as np
import pytest

from elth_jax.process.precision import products_in


class Device:
  """Of a device, what a choice by devices looks at."""

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
