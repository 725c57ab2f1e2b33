import dataclasses

import numpy as np
import pytest

from elth_jax.training.recipe import (
  CIFAR_RESNET,
  IMAGENET_RESNET,
  MLP,
  ONETICKET_RESNET50,
  ONETICKET_VGG19,
  VGG,
  Recipe,
)

CIFAR, IMAGENET, MNIST = 50_000, 1_281_167, 60_000


def test_published_step_counts():
  """REFERENCE, section 1: the last partial batch is kept."""
  assert CIFAR_RESNET.steps_per_epoch(CIFAR) == 391
  assert CIFAR_RESNET.steps_per_epoch(73_257) == 573
  assert IMAGENET_RESNET.steps_per_epoch(IMAGENET) == 1_252
  assert MLP.steps_per_epoch(MNIST) == 469
  assert CIFAR_RESNET.total_steps(CIFAR) == 62_560
  points = [r.rewind_point(CIFAR) for r in (CIFAR_RESNET, VGG, ONETICKET_VGG19)]
  assert points == [1000, 200, 98]
  assert IMAGENET_RESNET.rewind_point(IMAGENET) == 6260
  assert ONETICKET_RESNET50.rewind_point(IMAGENET) == 2503
  assert MLP.rewind_point(MNIST) == 0


@pytest.mark.parametrize(
  ('step', 'rate'),
  [(0, 0.1), (31_279, 0.1), (31_280, 0.01), (46_919, 0.01), (46_920, 0.001)],
)
def test_drops_take_effect_at_their_milestone(step, rate):
  assert float(CIFAR_RESNET.schedule(CIFAR)(step)) == pytest.approx(rate)


def test_warm_up_is_linear_from_zero():
  schedule = IMAGENET_RESNET.schedule(IMAGENET)
  steps = np.array([0, 626, 3130, 6260, 37_559, 37_560])
  expected = [0, 0.04, 0.2, 0.4, 0.4, 0.04]
  np.testing.assert_allclose([schedule(s) for s in steps], expected, rtol=1e-5)


def test_the_cosine_ends_at_zero_with_training():
  recipe = Recipe(
    decay='cosine', drop_epochs=(), epochs=10, warmup_epochs=2, rewind_step=0
  )
  schedule, steps = recipe.schedule(1280), np.arange(101)  # ten an epoch
  warm = np.minimum(steps / 20, 1)
  wave = (1 + np.cos(np.pi * np.clip((steps - 20) / 80, 0, 1))) / 2
  found = [float(schedule(step)) for step in steps]
  np.testing.assert_allclose(found, 0.1 * warm * wave, atol=1e-7)
  # of a longer training, which has the same warm-up
  longer = recipe.longer(2).schedule(1280)
  assert float(longer(110)) == pytest.approx(0.05)


@pytest.mark.parametrize(
  ('change', 'message'),
  [
    ({'optimizer': 'lion'}, 'sgd or adam or adamw'),
    ({'decay': 'cosine'}, r'drop_epochs are \(80, 120\); give drop_epochs='),
    ({'nesterov': True, 'momentum': 0.0}, 'nesterov is momentum of sgd'),
    ({'nesterov': True, 'optimizer': 'adam'}, 'nesterov is momentum of sgd'),
    ({'label_smoothing': 1.0}, 'label_smoothing is 1.0'),
    ({'learning_rate': 0.0}, 'learning_rate is 0.0'),
    ({'epochs': 0}, 'epochs is 0'),
    ({'momentum': -1.0}, 'momentum is -1.0'),
    ({'rewind_step': -1}, 'rewind_step is -1'),
    ({'precision': 'float32'}, 'precision.*highest'),
    ({'dtype': 'bfloat16', 'precision': 'highest'}, "precision is 'highest'"),
  ],
)
def test_impossible_recipes(change, message):
  with pytest.raises(ValueError, match=message):
    dataclasses.replace(Recipe(), **change)


@pytest.mark.parametrize(
  ('values', 'precision'),
  [
    ({}, 'highest'),
    ({'dtype': 'bfloat16'}, 'bfloat16'),
    ({'precision': 'tensorfloat32'}, 'tensorfloat32'),
    ({'dtype': 'bfloat16', 'precision': 'bfloat16'}, 'bfloat16'),
  ],
)
def test_products_are_as_precise_as_what_is_stored(values, precision):
  assert Recipe(**values).product_precision == precision


def test_rewinding_must_come_before_the_end():
  with pytest.raises(ValueError, match=r'1000 .*is not before the end'):
    Recipe(epochs=1).total_steps(1000)


def test_adam_replaces_the_optimiser_alone():
  adam = ONETICKET_VGG19.by('adam')
  assert (adam.optimizer, adam.learning_rate, adam.l2) == ('adam', 3e-4, 1e-4)
  assert adam.drop_epochs == ONETICKET_VGG19.drop_epochs


def test_nesterov_stays_with_sgd():
  nesterov = Recipe(nesterov=True)
  assert nesterov.by('sgd') == nesterov
  for other in ('adam', 'adamw'):
    assert nesterov.by(other) == Recipe().by(other)
