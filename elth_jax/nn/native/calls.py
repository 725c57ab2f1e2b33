"""Convolutions by the C++ kernels, with their gradients.

A convolution and its two gradients are linear in each of their two arguments,
and each one's gradients are the other two; so they can be differentiated any
number of times, in reverse mode.
"""

from collections.abc import Mapping, Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from elth_jax.nn.native.library import Library


@partial(jax.custom_vjp, nondiff_argnums=(0, 3))
def conv(
  library: Library, x: jax.Array, kernel: jax.Array, stride: int
) -> jax.Array:
  """A convolution.

  Args:
    library: the kernels.
    x: float32 activations (groups, channels, height, width, examples).
    kernel: float32, HWIO; an odd square, with margins of (size - 1) / 2 zeros.
    stride: of the window.
  """
  shape = output_shape(x, kernel, stride)
  (y,) = call_kernel(
    library, 'forward', [shape], x, kernel, stride=np.int64(stride)
  )
  return y


@partial(jax.custom_vjp, nondiff_argnums=(0, 3, 4))
def _input_gradient(library, dy, kernel, sides, stride):
  """To the input of these sides; `dy` is the gradient to the output."""
  shape = (dy.shape[0], kernel.shape[2], *sides, dy.shape[4])
  (dx,) = call_kernel(
    library, 'input_gradient', [shape], dy, kernel, stride=np.int64(stride)
  )
  return dx


@partial(jax.custom_vjp, nondiff_argnums=(0, 3, 4))
def _kernel_gradient(library, x, dy, size, stride):
  """To a kernel of this size; `dy` is the gradient to the output."""
  shape = (size, size, x.shape[1], dy.shape[1])
  (gradient,) = call_kernel(
    library, 'kernel_gradient', [shape], x, dy, stride=np.int64(stride)
  )
  return gradient


def _conv_forward(library, x, kernel, stride):
  return conv(library, x, kernel, stride), (x, kernel)


def _conv_backward(library, stride, saved, dy):
  x, kernel = saved
  return (
    _input_gradient(library, dy, kernel, x.shape[2:4], stride),
    _kernel_gradient(library, x, dy, kernel.shape[0], stride),
  )


def _input_gradient_forward(library, dy, kernel, sides, stride):
  return _input_gradient(library, dy, kernel, sides, stride), (dy, kernel)


def _input_gradient_backward(library, sides, stride, saved, given):
  del sides
  dy, kernel = saved
  return (
    conv(library, given, kernel, stride),
    _kernel_gradient(library, given, dy, kernel.shape[0], stride),
  )


def _kernel_gradient_forward(library, x, dy, size, stride):
  return _kernel_gradient(library, x, dy, size, stride), (x, dy)


def _kernel_gradient_backward(library, size, stride, saved, given):
  del size
  x, dy = saved
  return (
    _input_gradient(library, dy, given, x.shape[2:4], stride),
    conv(library, x, given, stride),
  )


conv.defvjp(_conv_forward, _conv_backward)
_input_gradient.defvjp(_input_gradient_forward, _input_gradient_backward)
_kernel_gradient.defvjp(_kernel_gradient_forward, _kernel_gradient_backward)


def output_shape(
  x: jax.Array, kernel: jax.Array, stride: int
) -> tuple[int, ...]:
  """Of a convolution."""
  height, width = ((side - 1) // stride + 1 for side in x.shape[2:4])
  return (x.shape[0], kernel.shape[3], height, width, x.shape[4])


def call_kernel(
  library: Library,
  call: str,
  shapes: Sequence[tuple[int, ...]],
  *args,
  in_place: Mapping[int, int] | None = None,
  **also,
) -> Sequence[jax.Array]:
  """Float32 arrays of these shapes, from one of `library.CALLS`.

  Args:
    library: the kernels.
    call: which one.
    shapes: of the results.
    *args: arrays that it takes.
    in_place: which argument's memory may become which result's.
    **also: what else it takes.
  """
  results = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
  function = jax.ffi.ffi_call(
    library.target(call),
    results,
    vmap_method='sequential',
    input_output_aliases=dict(in_place or {}),
  )
  return function(*args, **also)
