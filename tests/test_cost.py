import pytest

from elth_jax.cost import train_flops
from elth_jax.families import architecture


def test_a_leaf_costs_its_density():
  assert train_flops({'a': 10, 'b': 100}, {'b': 0.5}, images=2) == 6 * 60 * 2


def test_a_dense_cifar_training_of_resnet20():
  net = architecture('resnet20', (32, 32, 3), 10)
  flops = train_flops(net.multiply_adds(), {}, 160 * 50_000)
  assert flops == pytest.approx(3 * 2 * 40_813_184 * 8e6)


def test_table_2_of_elth():
  """In units of one dense ImageNet ResNet-34: 90 epochs, as published."""
  images = 90 * 1_281_167
  work = {
    n: architecture(f'imagenet_resnet{n}').multiply_adds() for n in (18, 26, 34)
  }

  def cost(network, density):
    densities = dict.fromkeys(work[network], density)
    return train_flops(work[network], densities, images)

  unit = cost(34, 1.0)
  # IMP on ResNet-26 to 73.79%: levels 0 to 5
  imp = sum(cost(26, 0.8**level) for level in range(6)) / unit
  assert imp == pytest.approx(2.77, abs=0.02)
  sparse = [cost(n, 0.8**6) / unit for n in (18, 26, 34)]
  assert sparse == pytest.approx([0.14, 0.20, 0.26], abs=0.011)
  # RigL-5x: 0.69, 1.0, 1.30 as published, 0.65 by convs for ResNet-18
  five = [5 * value for value in sparse]
  assert five == pytest.approx([0.65, 1.0, 1.30], abs=0.025)
