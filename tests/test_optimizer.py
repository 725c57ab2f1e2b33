import jax
import jax.numpy as jnp
import numpy as np
import pytest

from elth_jax.training.optimizer import make_optimizer
from elth_jax.training.recipe import Recipe

SCHEDULE = {0: 0.1, 1: 0.1, 2: 0.01, 3: 0.01}


def train(recipe, masks, steps=4, start=0):
  """Four steps on loss = sum(targets * params)."""
  optimizer = make_optimizer(
    recipe, lambda step: jnp.where(step < 2, 0.1, 0.01)
  )
  params = {'w': jnp.array([1.0, 0.0, 3.0]), 'b': jnp.array([2.0])}
  grads = {'w': jnp.array([0.5, 1.0, -1.0]), 'b': jnp.array([1.0])}
  state = optimizer.init(params)
  for step in range(start, start + steps):
    updates, state = optimizer.update(
      grads, state, params, step=step, masks=masks
    )
    params = jax.tree.map(jnp.add, params, updates)
  return params, state


def test_sgd_with_coupled_l2_and_momentum_by_hand():
  """PyTorch's SGD: v = m v + (g + l2 p), p = p - lr v, on every parameter."""
  params, _ = train(Recipe(momentum=0.9, l2=0.1), {'w': None, 'b': None})
  for name, p, g in [
    ('w', np.array([1.0, 0.0, 3.0]), np.array([0.5, 1.0, -1.0])),
    ('b', np.array([2.0]), np.array([1.0])),
  ]:
    v = np.zeros_like(p)
    for step in range(4):
      v = 0.9 * v + (g + 0.1 * p)
      p = p - SCHEDULE[step] * v
    np.testing.assert_allclose(params[name], p, rtol=1e-6)


def test_the_schedule_goes_by_the_step_not_by_the_count():
  late, _ = train(Recipe(momentum=0.0, l2=0.0), {'w': None, 'b': None}, 1, 2)
  np.testing.assert_allclose(late['b'], 2.0 - 0.01, rtol=1e-6)


def test_nesterov_is_pytorch_s():
  """v = m v + g, p = p - lr (g + m v)."""
  recipe = Recipe(momentum=0.9, l2=0.0, nesterov=True)
  params, _ = train(recipe, {'w': None, 'b': None})
  p, v, g = np.array([1.0, 0.0, 3.0]), np.zeros(3), np.array([0.5, 1.0, -1.0])
  for step in range(4):
    v = 0.9 * v + g
    p = p - SCHEDULE[step] * (g + 0.9 * v)
  np.testing.assert_allclose(params['w'], p, rtol=1e-6)


def test_adamw_s_decay_is_decoupled():
  """p = p - lr (m / (sqrt(v) + eps) + l2 p), both moments unbiased."""
  params, _ = train(Recipe(optimizer='adamw', l2=0.1), {'w': None, 'b': None})
  p, g = np.array([1.0, 0.0, 3.0]), np.array([0.5, 1.0, -1.0])
  m, v = np.zeros(3), np.zeros(3)
  for step in range(4):
    m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
    unbiased = m / (1 - 0.9 ** (step + 1)), v / (1 - 0.999 ** (step + 1))
    move = unbiased[0] / (np.sqrt(unbiased[1]) + 1e-8)
    p = p - SCHEDULE[step] * (move + 0.1 * p)
  np.testing.assert_allclose(params['w'], p, rtol=1e-5)


@pytest.mark.parametrize('name', ['sgd', 'adam', 'adamw'])
def test_pruned_weights_are_exactly_zero_whatever_pulls(name):
  masks = {'w': jnp.array([True, False, False]), 'b': None}
  params, _ = train(Recipe(optimizer=name, l2=0.1), masks)
  assert params['w'][0] != 0
  np.testing.assert_array_equal(params['w'][1:], [0, 0])


def test_adam_is_fresh_and_moves_by_the_learning_rate():
  recipe = Recipe(optimizer='adam', l2=0.0)
  params, _ = train(recipe, {'w': None, 'b': None}, steps=1)
  np.testing.assert_allclose(params['w'], [0.9, -0.1, 3.1], rtol=1e-4)
