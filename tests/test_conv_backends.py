import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from elth_jax.nn import conv_backends, products
from elth_jax.process.older_jax import enable_x64

# height, width, channels in and out, kernel size, stride
CASES = [
  (6, 6, 3, 4, 3, 1),
  (5, 6, 16, 17, 3, 1),
  (3, 4, 16, 16, 1, 1),
  (2, 1, 16, 16, 3, 1),
  (6, 6, 3, 4, 3, 2),
  (7, 5, 2, 3, 3, 2),
  (6, 6, 3, 4, 1, 2),
  (5, 6, 2, 2, 5, 2),
]


def oracle(images, kernel, stride):
  pad = kernel.shape[0] // 2
  return lax.conv_general_dilated(
    images,
    kernel,
    (stride, stride),
    ((pad, pad), (pad, pad)),
    dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
  )


@pytest.mark.parametrize(
  'backend', conv_backends.CONV_BACKENDS.values(), ids=lambda f: f.name
)
@pytest.mark.parametrize('patch_bytes', [1 << 30, 1])
@pytest.mark.parametrize('case', CASES, ids=str)
def test_values_and_gradients_equal_xla(
  backend, patch_bytes, case, monkeypatch
):
  """In float64, all at once, and row by row of one example at a time."""
  monkeypatch.setattr(products, 'PATCH_BYTES', patch_bytes)
  monkeypatch.setattr(conv_backends, 'GROUP_PIXELS', patch_bytes)
  height, width, channels, features, size, stride = case
  generator = np.random.default_rng(0)
  images = generator.standard_normal((2, height, width, channels))
  kernel = generator.standard_normal((size, size, channels, features))

  def through_form(images, kernel):
    out = backend.conv(backend.enter(images), kernel, stride)
    return backend.leave(out)

  with enable_x64():
    expected, pull = jax.vjp(
      lambda i, k: oracle(i, k, stride),
      jnp.asarray(images),
      jnp.asarray(kernel),
    )
    found, pull_form = jax.vjp(
      through_form, jnp.asarray(images), jnp.asarray(kernel)
    )
    np.testing.assert_allclose(found, expected, atol=1e-12)
    cotangent = jnp.asarray(generator.standard_normal(expected.shape))
    for one, other in zip(pull(cotangent), pull_form(cotangent), strict=True):
      np.testing.assert_allclose(one, other, atol=1e-12)


@pytest.mark.parametrize(
  'backend', conv_backends.CONV_BACKENDS.values(), ids=lambda f: f.name
)
def test_reductions_of_activations(backend):
  images = jnp.asarray(np.random.default_rng(0).random((2, 3, 4, 5)))
  x = backend.enter(images)
  np.testing.assert_allclose(backend.pool(x), images.mean((1, 2)), rtol=1e-6)
  np.testing.assert_allclose(
    backend.sum_channels(x), images.sum((0, 1, 2)), rtol=1e-6
  )
  valid = jnp.array([0.0, 1.0])
  np.testing.assert_allclose(
    backend.sum_channels(x * backend.along('N', valid, x)),
    images[1].sum((0, 1)),
    rtol=1e-6,
  )


def padded_windows(x, size, pad, value):
  """Windows of `size`, two apart, over NHWC images: (..., window, channel)."""
  margins = ((0, 0), (pad, pad), (pad, pad), (0, 0))
  x = np.pad(x, margins, constant_values=value)
  windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), (1, 2))
  return windows[:, ::2, ::2].reshape(*windows[:, ::2, ::2].shape[:4], -1)


@pytest.mark.parametrize(
  'backend', conv_backends.CONV_BACKENDS.values(), ids=lambda f: f.name
)
@pytest.mark.parametrize(
  ('size', 'pad', 'side'), [(2, 0, 6), (2, 0, 5), (3, 1, 6)]
)
def test_max_pool_against_numpy(backend, size, pad, side):
  x = np.random.default_rng(0).normal(size=(2, side, side, 3))
  pooled = backend.max_pool(backend.enter(jnp.asarray(x)), size, pad)
  found = backend.leave(pooled)
  expected = padded_windows(x, size, pad, -np.inf).max(-1)
  np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_max_pool_gives_the_gradient_to_the_first_of_equals():
  x = jnp.array([[1.0, 1.0], [0.0, 1.0]]).reshape(1, 2, 2, 1)
  grad = jax.grad(lambda x: conv_backends.NHWC.max_pool(x).sum())(x)
  np.testing.assert_array_equal(grad.reshape(2, 2), [[1, 0], [0, 0]])
  one = jnp.ones((1, 1, 1, 3))
  assert conv_backends.NHWC.max_pool(one) is one


@pytest.mark.parametrize(
  'backend', conv_backends.CONV_BACKENDS.values(), ids=lambda f: f.name
)
@pytest.mark.parametrize('stride', [1, 2])
def test_depthwise_against_xla(backend, stride):
  generator = np.random.default_rng(0)
  images = generator.standard_normal((2, 7, 6, 4))
  kernel = generator.standard_normal((3, 3, 1, 4))
  with enable_x64():
    out = backend.depthwise(
      backend.enter(jnp.asarray(images)), jnp.asarray(kernel), stride
    )
    expected = lax.conv_general_dilated(
      jnp.asarray(images),
      jnp.asarray(kernel),
      (stride, stride),
      ((1, 1), (1, 1)),
      dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
      feature_group_count=4,
    )
    found = backend.leave(out)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_tickets_side_by_side_are_convolved_as_alone():
  """Values and both gradients, with images of each and with shared ones."""
  generator = np.random.default_rng(0)
  images = jnp.asarray(generator.standard_normal((3, 2, 5, 6, 4)))
  kernels = jnp.asarray(generator.standard_normal((3, 3, 3, 4, 5)))
  cotangents = jnp.asarray(generator.standard_normal((3, 2, 3, 3, 5)))

  def pulled(images, kernel, cotangent):
    conv = conv_backends.NHWC_EACH.conv
    out, pull = jax.vjp(lambda i, k: conv(i, k, 2), images, kernel)
    return out, *pull(cotangent)

  for shared in (False, True):
    axes = (None if shared else 0, 0, 0)
    given = images[0] if shared else images
    found = jax.vmap(pulled, axes)(given, kernels, cotangents)
    for i in range(3):
      own = images[0 if shared else i]
      out, pull = jax.vjp(lambda x, k: oracle(x, k, 2), own, kernels[i])
      for one, other in zip(found, (out, *pull(cotangents[i])), strict=True):
        np.testing.assert_allclose(one[i], other, rtol=1e-4, atol=1e-5)
