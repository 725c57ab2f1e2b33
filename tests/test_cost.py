import pytest

from elth_jax.cost import train_flops
from elth_jax.families import architecture


def test_a_leaf_costs_its_density():
  assert train_flops({'a': 10, 'b': 100}, {'b': 0.5}, images=2) == 6 * 60 * 2


def test_a_dense_cifar_training_of_resnet20():
  net = architecture('resnet20', (32, 32, 3), 10)
  flops = train_flops(net.multiply_adds(), {}, 160 * 50_000)
  assert flops == pytest.approx(3 * 2 * 40_813_184 * 8e6)
