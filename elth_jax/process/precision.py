"""How products of float32 numbers are multiplied."""

import contextlib
from collections.abc import Generator, Sequence
from typing import Literal

import jax

from elth_jax.process.devices import platform_of

Precision = Literal['highest', 'tensorfloat32', 'bfloat16']


@contextlib.contextmanager
def products_in(
  precision: Precision, devices: Sequence[jax.Device] | None = None
) -> Generator[None]:
  """What is traced meanwhile multiplies so, or more exactly.

  Left to itself, a TPU rounds float32 operands to bfloat16, and a GPU may round
  them to TensorFloat-32. A CPU multiplies float32 as it is, always.

  Args:
    precision: `highest` for float32; `tensorfloat32` (on a TPU three products
      of bfloat16); `bfloat16` (on a GPU TensorFloat-32, which is no slower).
    devices: what is compiled for; JAX's own by default.
  """
  if platform_of(devices) == 'cpu':
    yield
    return
  with jax.default_matmul_precision(precision):
    yield
