import pytest

from elth_jax.families import pretty
from elth_jax.names import NetworkName, unknown


def test_the_nearest_and_all_known_are_listed():
  text = unknown('method', 'synflw', ['snip', 'synflow'])
  assert text == (
    "unknown method 'synflw'; did you mean 'synflow'? known: snip, synflow"
  )
  assert 'mean' not in unknown('method', 'zzz', ['snip'])


@pytest.mark.parametrize(
  ('text', 'stem', 'numbers'),
  [
    ('resnet20', 'resnet', (20,)),
    ('vgg13-3', 'vgg', (13, 3)),
    ('imagenet_resnet18', 'imagenet_resnet', (18,)),
  ],
)
def test_a_networks_name_has_a_stem_and_numbers(text, stem, numbers):
  name = NetworkName.parse(text)
  assert name == NetworkName(stem, numbers)
  assert str(name) == text


@pytest.mark.parametrize(
  'text', ['', 'resnet', '20', 'resnet-20', 'resnet20-', 'ResNet20', 'a20b']
)
def test_what_is_no_networks_name(text):
  with pytest.raises(ValueError, match=f'network {text!r}: write the name'):
    NetworkName.parse(text)


def test_names_as_people_write_them():
  assert pretty('resnet20') == 'ResNet-20'
  assert pretty('vgg13-3') == 'VGG-13-3'
  assert pretty('cifar10') == 'cifar10' and pretty('mnist') == 'mnist'
