import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from elth_jax.families import architecture
from elth_jax.nn import conv_backends, layers

GENERATOR = np.random.default_rng(0)


def batch_norm(backend, x, valid=None, train=True, stats=None):
  layer = layers.LayerFactory(backend).norm(name='bn')
  variables = layer.init(jax.random.key(0), backend.enter(x), None, False)
  variables['params'] = {
    'scale': jnp.array([0.5, 2.0]),
    'bias': jnp.array([1.0, -1.0]),
  }
  variables['batch_stats'] = stats or variables['batch_stats']
  out, new = layer.apply(
    variables, backend.enter(x), valid, train, mutable='batch_stats'
  )
  return np.asarray(backend.leave(out)), new.get('batch_stats')


@pytest.mark.parametrize(
  'backend', conv_backends.CONV_BACKENDS.values(), ids=lambda f: f.name
)
def test_batch_norm_against_numpy(backend):
  x = GENERATOR.normal(3, 2, (4, 3, 3, 2)).astype(np.float32)
  out, stats = batch_norm(backend, x)
  mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
  expected = (x - mean) / np.sqrt(variance + 1e-5) * [0.5, 2.0] + [1.0, -1.0]
  np.testing.assert_allclose(out, expected, atol=1e-5)
  np.testing.assert_allclose(stats['mean'], 0.1 * mean, rtol=1e-5)
  unbiased = x.var((0, 1, 2), ddof=1)
  np.testing.assert_allclose(stats['var'], 0.9 + 0.1 * unbiased, rtol=1e-5)


def test_batch_norm_evaluates_with_running_statistics():
  x = GENERATOR.random((2, 3, 3, 2)).astype(np.float32)
  stats = {'mean': jnp.array([1.0, 2.0]), 'var': jnp.array([4.0, 9.0])}
  out, _ = batch_norm(conv_backends.GCHWN, x, train=False, stats=stats)
  expected = (x - [1, 2]) / np.sqrt([4, 9]) * [0.5, 2.0] + [1.0, -1.0]
  np.testing.assert_allclose(out, expected, atol=1e-4)


@pytest.mark.parametrize(
  'backend', conv_backends.CONV_BACKENDS.values(), ids=lambda f: f.name
)
def test_padding_of_a_batch_does_not_count(backend):
  x = GENERATOR.random((5, 3, 3, 2)).astype(np.float32)
  padded = np.concatenate([x, np.full((3, 3, 3, 2), 99, np.float32)])
  valid = jnp.array([1.0] * 5 + [0.0] * 3)
  out, stats = batch_norm(backend, padded, valid)
  expected, expected_stats = batch_norm(backend, x)
  np.testing.assert_allclose(out[:5], expected, atol=1e-5)
  for name in ('mean', 'var'):
    np.testing.assert_allclose(stats[name], expected_stats[name], rtol=1e-5)


def test_batch_norm_equals_flax_in_the_forward_pass():
  x = GENERATOR.random((4, 3, 3, 2)).astype(np.float32)
  flax = nn.BatchNorm(use_running_average=False, epsilon=1e-5)
  variables = flax.init(jax.random.key(0), x)
  variables['params'] = {
    'scale': jnp.array([0.5, 2.0]),
    'bias': jnp.array([1.0, -1.0]),
  }
  expected, _ = flax.apply(variables, x, mutable='batch_stats')
  np.testing.assert_allclose(
    batch_norm(conv_backends.NHWC, x)[0], expected, atol=1e-5
  )


def test_initial_values_have_the_published_distributions():
  draw = np.random.default_rng(0)
  kernel = layers.kaiming_normal(draw, (3, 3, 64, 400), 576)
  assert kernel.std() == pytest.approx(np.sqrt(2 / 576), rel=0.01)
  # a truncated normal ends at two deviations; a normal has 4.6% beyond them
  beyond = np.mean(np.abs(kernel) > 2 * np.sqrt(2 / 576))
  assert beyond == pytest.approx(0.0455, abs=0.003)
  bias = layers.uniform_by_fan_in(draw, (10_000,), 64)
  assert -0.125 <= bias.min() < -0.124 and 0.124 < bias.max() <= 0.125
  scale = layers.unit_uniform(draw, (10_000,), 1)
  assert 0 <= scale.min() < 0.01 and 0.99 < scale.max() < 1
  assert scale.mean() == pytest.approx(0.5, abs=0.01)


def test_flax_init_draws_as_the_class_says():
  dense = layers.Dense(layers.LayerFactory(conv_backends.NHWC), 500)
  init = jax.jit(dense.init)
  variables = init(jax.random.key(0), jnp.zeros((1, 200)))['params']
  assert np.std(variables['kernel']) == pytest.approx(0.1, rel=0.01)
  assert np.abs(variables['bias']).max() == pytest.approx(0.0707, rel=0.05)


def test_bfloat16_goes_through_layers_and_float32_stays_in_parameters():
  net = architecture('resnet8', (8, 8, 3), 3, 4)
  variables = net.init(0)
  # of its own, since the draw must not depend on which tests ran before
  draw = np.random.default_rng(0)
  images = draw.standard_normal((32, 8, 8, 3)).astype(np.float32)

  def loss(params, dtype):
    logits, new = net.module().apply(
      {**variables, 'params': params},
      jnp.asarray(images, dtype),
      train=True,
      mutable='batch_stats',
    )
    assert logits.dtype == dtype
    return logits.astype(jnp.float32).std(), new['batch_stats']

  run = jax.jit(jax.value_and_grad(loss, has_aux=True), static_argnums=1)
  (full, _), grads = run(variables['params'], jnp.float32)
  (half, stats), half_grads = run(variables['params'], jnp.bfloat16)
  assert float(half) == pytest.approx(float(full), rel=0.1)
  for leaf in jax.tree.leaves((stats, half_grads)):
    assert leaf.dtype == jnp.float32
  exact, rough = (
    np.concatenate([np.ravel(g) for g in jax.tree.leaves(tree)])
    for tree in (grads, half_grads)
  )
  assert np.corrcoef(exact, rough)[0, 1] > 0.98
