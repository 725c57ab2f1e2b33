"""XLA's convolution for tickets side by side on a GPU: each ticket by itself.

Mapped over tickets, XLA's convolution becomes one with groups, and its
gradients become forward convolutions with windows as large as the image. Here
a mapped convolution is one call of cuDNN for each ticket, forward and backward,
while all else is done for all tickets at once.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.custom_batching import custom_vmap

Conv = Callable[[jax.Array, jax.Array, int], jax.Array]


def conv_of_each(conv: Conv) -> Conv:
  """The convolution with a rule for `vmap`; differentiable in reverse, once.

  Args:
    conv: (activations, kernel, stride) -> activations.
  """

  @functools.cache
  def of_stride(stride: int) -> Callable[[jax.Array, jax.Array], jax.Array]:
    def to_input(x, kernel, grad):
      _, pull = jax.vjp(lambda x: conv(x, kernel, stride), x)
      return pull(grad)[0]

    def to_kernel(x, kernel, grad):
      _, pull = jax.vjp(lambda kernel: conv(x, kernel, stride), kernel)
      return pull(grad)[0]

    forward = _for_each(lambda x, kernel: conv(x, kernel, stride))
    to_input, to_kernel = _for_each(to_input), _for_each(to_kernel)
    whole = jax.custom_vjp(lambda x, kernel: forward(x, kernel))
    whole.defvjp(
      lambda x, kernel: (forward(x, kernel), (x, kernel)),
      lambda saved, grad: (to_input(*saved, grad), to_kernel(*saved, grad)),
    )
    return whole

  return lambda x, kernel, stride: of_stride(stride)(x, kernel)


def _for_each(function: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
  """The function; mapped, it is written out once for each."""
  mapped = custom_vmap(function)

  @mapped.def_vmap
  def rule(size, batched, *args):
    own = [
      [a[i] if is_own else a for a, is_own in zip(args, batched, strict=True)]
      for i in range(size)
    ]
    return jnp.stack([function(*some) for some in own]), True

  return mapped
