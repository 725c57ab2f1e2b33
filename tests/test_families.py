import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from elth_jax import families
from elth_jax.families import Architecture, architecture
from elth_jax.nn import conv_backends
from elth_jax.process.older_jax import enable_x64
from elth_jax.runner import session
from elth_jax.study.config import base_config
from elth_jax.training.recipe import MLP
from elth_jax.trees import flatten

CIFAR, MNIST = (32, 32, 3), (28, 28, 1)

# as published: parameters and prunable weights
COUNTS = [
  ('resnet14', CIFAR, None, 175_258, 174_128),
  ('resnet20', CIFAR, None, 272_474, 270_896),
  ('resnet32', CIFAR, None, 466_906, 464_432),
  ('resnet44', CIFAR, None, 661_338, 657_968),
  ('resnet56', CIFAR, None, 855_770, 851_504),
  ('resnet20', CIFAR, 32, 1_084_586, 1_081_440),
  ('mlp2', MNIST, None, 356_910, 356_200),
  ('mlp3', MNIST, None, 447_210, 446_200),
  ('mlp4', MNIST, None, 537_510, 536_200),
  ('vgg13', CIFAR, None, 9_416_010, 9_407_168),
  ('vgg16', CIFAR, None, 14_728_266, 14_715_584),
  ('vgg19', CIFAR, None, 20_040_522, 20_024_000),
]

# ImageNet; MobileNet as Keras counts it
IMAGENET_COUNTS = [
  ('imagenet_resnet18', 11_689_512, 11_678_912),
  ('imagenet_resnet26', 19_066_920, 19_051_712),
  ('imagenet_resnet34', 21_797_672, 21_779_648),
  ('bottleneck_resnet50', 25_557_032, 25_502_912),
  ('mobilenet28', 4_231_976, None),
]


@pytest.mark.parametrize(('name', 'shape', 'width', 'all_', 'prunable'), COUNTS)
def test_published_counts(name, shape, width, all_, prunable):
  net = architecture(name, shape, 10, width)
  sizes = {n: leaf.size for n, leaf in flatten(net.shapes()['params']).items()}
  assert sum(sizes.values()) == all_
  assert sum(s for n, s in sizes.items() if net.family.prunable(n)) == prunable


@pytest.mark.parametrize(('name', 'all_', 'prunable'), IMAGENET_COUNTS)
def test_published_counts_of_imagenet(name, all_, prunable):
  net = architecture(name)
  sizes = net.parameters()
  assert sum(sizes.values()) == all_
  if prunable:
    found = sum(s for n, s in sizes.items() if net.family.prunable(n))
    assert found == prunable


def test_published_multiply_adds():
  for name, expected in [
    ('imagenet_resnet34', 3_663_761_408),
    ('vgg16', 313_201_664),
  ]:
    assert sum(architecture(name).multiply_adds().values()) == expected
  # MobileNets, table 4: 569 million
  mobilenet = architecture('mobilenet28').multiply_adds()
  assert round(sum(mobilenet.values()) / 1e6) == 569


def test_vgg13_k_adds_linear_layers_of_512():
  plain, with_two = (architecture(n).parameters() for n in ('vgg13', 'vgg13-3'))
  assert sum(with_two.values()) - sum(plain.values()) == 2 * (512 * 512 + 512)
  assert architecture('vgg13-3').depths['stage6'] == 2


def test_multiply_adds_of_resnet20():
  net = architecture('resnet20', CIFAR, 10)
  assert sum(net.multiply_adds().values()) == 40_813_184
  assert net.multiply_adds().keys() == {
    name
    for name in flatten(net.shapes()['params'])
    if net.family.prunable(name)
  }
  mlp = architecture('mlp2', MNIST, 10)
  assert sum(mlp.multiply_adds().values()) == 356_200


def test_trees_are_keyed_by_stage_and_block():
  shapes = architecture('resnet20', CIFAR, 10).shapes()
  names = flatten(shapes['params'])
  assert 'stage2/block0/shortcut/kernel' in names
  assert 'stage1/block0/shortcut/kernel' not in names
  assert names['stage3/block2/conv1/kernel'].shape == (3, 3, 64, 64)
  assert families.FAMILIES['resnet'].layout.depths(shapes) == {
    'stage1': 3,
    'stage2': 3,
    'stage3': 3,
  }


def resnet_by_hand(variables, images, depths):
  """An independent forward pass: XLA's convolution, PyTorch's padding."""
  p, s = flatten(variables['params']), flatten(variables['batch_stats'])

  def conv(x, name, stride=1):
    kernel = p[f'{name}/kernel']
    pad = (kernel.shape[0] - 1) // 2
    return jax.lax.conv_general_dilated(
      x,
      kernel,
      (stride, stride),
      [(pad, pad)] * 2,
      dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
    )

  def norm(x, n):
    scaled = (x - s[f'{n}/mean']) / np.sqrt(s[f'{n}/var'] + 1e-5)
    return scaled * p[f'{n}/scale'] + p[f'{n}/bias']

  relu = jax.nn.relu
  x = relu(norm(conv(images, 'stem'), 'stem_bn'))
  for stage, blocks in enumerate(depths, start=1):
    for block in range(blocks):
      at = f'stage{stage}/block{block}'
      stride = 2 if stage > 1 and block == 0 else 1
      y = relu(norm(conv(x, f'{at}/conv1', stride), f'{at}/bn1'))
      y = norm(conv(y, f'{at}/conv2'), f'{at}/bn2')
      if stride == 2:
        x = norm(conv(x, f'{at}/shortcut', 2), f'{at}/shortcut_bn')
      x = relu(x + y)
  return x.mean((1, 2)) @ p['head/kernel'] + p['head/bias']


@pytest.mark.parametrize(
  'backend', conv_backends.CONV_BACKENDS.values(), ids=lambda f: f.name
)
def test_forward_pass_against_a_network_by_hand(backend):
  net = architecture('resnet14', (8, 8, 3), 10, 4)
  variables = net.init(1)
  generator = np.random.default_rng(0)
  variables['batch_stats'] = jax.tree.map(
    lambda leaf: leaf + generator.random(leaf.shape).astype(np.float32),
    variables['batch_stats'],
  )
  images = generator.standard_normal((3, 8, 8, 3)).astype(np.float32)
  found = net.module(backend).apply(variables, images)
  expected = resnet_by_hand(variables, images, (2, 2, 2))
  np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize(
  'name',
  [
    'imagenet_resnet18',
    pytest.param('bottleneck_resnet50', marks=pytest.mark.slow),
    'mobilenet20',
    'vgg13-2',
  ],
)
def test_forms_agree_on_every_family(name):
  """Logits and new statistics of a training step, in float64."""
  net = architecture(name, (16, 16, 3), 3, 2)
  images = np.random.default_rng(0).random((4, 16, 16, 3))
  with enable_x64():
    variables = jax.tree.map(lambda v: jnp.asarray(v, float), net.init(1))
    weights = jnp.array([1.0, 1, 1, 0])
    (one, stats), (other, other_stats) = (
      jax.jit(
        functools.partial(
          net.module(backend).apply, train=True, mutable=['batch_stats']
        )
      )(variables, jnp.asarray(images), weights)
      for backend in (conv_backends.NHWC, conv_backends.GCHWN)
    )
  assert one.shape == (4, 3)
  np.testing.assert_allclose(one[:3], other[:3], rtol=1e-6)
  for leaf, value in flatten(stats).items():
    expected = flatten(other_stats)[leaf]
    np.testing.assert_allclose(value, expected, rtol=1e-6, atol=1e-9)


def test_oneticket_initialisation():
  net = architecture('oneticket_vgg19', (32, 32, 3), 10, 16)
  params = flatten(net.init(0)['params'])
  kernel = params['stage5/block1/conv/kernel']
  fans = 9 * 128 + 9 * 128
  assert kernel.std() == pytest.approx(np.sqrt(2 / fans), rel=0.02)
  assert not params['stage5/block1/conv/bias'].any()
  assert (params['stage5/block1/bn/scale'] == 1).all()


def test_mlp_against_numpy():
  net = architecture('mlp2', (4, 4, 1), 3, 9)
  variables = net.init(0)
  p = flatten(variables['params'])
  images = np.random.default_rng(0).random((2, 4, 4, 1)).astype(np.float32)
  x = images.reshape(2, -1)
  names = ['stage1/block0/fc', 'stage1/block1/fc', 'neck']
  for name in names:
    x = np.maximum(x @ p[f'{name}/kernel'] + p[f'{name}/bias'], 0)
  expected = x @ p['head/kernel'] + p['head/bias']
  found = net.module().apply(variables, jnp.asarray(images))
  np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
  assert p['neck/kernel'].shape == (9, 3)
  assert net.family.is_never_pruned('head/kernel')


def test_what_may_be_pruned_and_what_only_counts():
  """Kernels of 16 by 9, 9 by 9, 9 by 3 and 3 by 3, the last one spared."""
  free, always_kept = architecture('mlp2', (4, 4, 1), 3, 9).prunable_sizes()
  blocks = {'stage1/block0/fc/kernel': 144, 'stage1/block1/fc/kernel': 81}
  assert free == {**blocks, 'neck/kernel': 27}
  assert always_kept == {'head/kernel': 9}


def test_init_is_a_function_of_seed_and_network():
  net = architecture('resnet14', (8, 8, 1), 10, 2)
  one, same, other = (flatten(net.init(s)['params']) for s in (0, 0, 1))
  deeper = flatten(net.with_name('resnet20').init(0)['params'])
  name = 'stage1/block1/conv1/kernel'
  np.testing.assert_array_equal(one[name], same[name])
  assert not np.array_equal(one[name], other[name])
  assert not np.array_equal(one[name], deeper[name])
  net.check(net.init(0))


def test_check_names_the_leaf():
  net = architecture('mlp2', (2, 2, 1), 3, 6)
  variables = net.init(0)
  variables['params']['head']['bias'] = np.zeros(4, np.float32)
  with pytest.raises(ValueError, match='params/head/bias is float32'):
    net.check(variables)
  del variables['params']['head']['bias']
  with pytest.raises(ValueError, match='missing params/head/bias'):
    net.check(variables)


def test_json_round_trip():
  net = architecture('resnet20', CIFAR, 10)
  assert Architecture.from_json(net.to_json()) == net
  with pytest.raises(ValueError, match='fields'):
    Architecture.from_json({'name': 'resnet20'})


@pytest.mark.parametrize(
  ('name', 'message'),
  [
    ('resnet21', 'nearest are resnet20 and resnet26'),
    ('resnet2', 'nearest are resnet8'),
    ('mlp0', 'at least one'),
    ('resnett20', "did you mean 'resnet'"),
    ('resnet', 'has no depth'),
    ('resnet20-3', 'takes 1 number'),
    ('vgg15', '13, 16 or 19'),
    ('vgg13-0', 'head always stays'),
    ('imagenet_resnet50', r'50 layers: there are \[18, 26, 34\]'),
    ('mobilenet27', 'mobilenet20'),
  ],
)
def test_unknown_networks(name, message):
  with pytest.raises(ValueError, match=message):
    architecture(name, CIFAR, 10)


@pytest.mark.parametrize(
  ('shape', 'classes', 'width', 'message'),
  [
    (10, (8, 8, 1), None, r'resnet20: input_shape is 10; give \(height, width'),
    ((8, 8), 10, None, r'input_shape is \(8, 8\); give \(height'),
    ((8, 8, 1), 0, None, 'classes=0.*sizes must be positive'),
    ((8, 8, 1), 10, 0, 'width=0.*sizes must be positive'),
  ],
)
def test_impossible_sizes(shape, classes, width, message):
  with pytest.raises(ValueError, match=message):
    architecture('resnet20', shape, classes, width)


def test_a_name_is_text():
  with pytest.raises(TypeError, match='network is 20; give its name'):
    architecture(20)
  with pytest.raises(TypeError, match='network is a Architecture; give its'):
    architecture('resnet20').with_name(architecture('resnet32'))


def test_sizes_must_be_positive():
  with pytest.raises(ValueError, match='positive'):
    architecture('resnet20', (32, 32, 0), 10)


class Needy(nn.Module):
  """A module with one need that studies cannot meet."""

  need: str
  classes: int = 3

  @nn.compact
  def __call__(self, images, valid=None, train=False):
    x = nn.Dense(4, name='stem')(images.reshape(images.shape[0], -1))
    if self.need == 'dropout':
      x = nn.Dropout(0.5, deterministic=not train)(x)
    elif self.need == 'noise':
      x = x + jax.random.normal(self.make_rng('noise'), x.shape)
    elif self.need == 'cache':
      self.variable('cache', 'last', jnp.zeros, x.shape)
    elif self.need == 'counter' and train:
      self.variable('counters', 'steps', jnp.zeros, ()).value += 1
    classes = self.classes + (self.need == 'classes')
    return nn.Dense(classes, name='head')(x)


class WithoutTrain(nn.Module):
  @nn.compact
  def __call__(self, images):
    return nn.Dense(3)(images.reshape(images.shape[0], -1))


@pytest.mark.parametrize(
  ('need', 'message'),
  [
    ('dropout', 'needs random numbers in training.*deterministic'),
    ('noise', 'needs random numbers in'),
    ('cache', 'keeps variables in cache.*batch_stats'),
    ('counter', 'keeps variables in training'),
    ('classes', r'logits of shape \(2, 3\)'),
    ('call', r'cannot be called in training as module\(images, valid'),
  ],
)
def test_modules_that_studies_cannot_train(
  need, message, monkeypatch, tmp_path
):
  module = WithoutTrain() if need == 'call' else Needy(need)
  family = families.Family(
    name=f'needy_{need}',
    width=4,
    depths=lambda number: {'block': number},
    module=lambda net, backend: module,
  )
  monkeypatch.setitem(families.FAMILIES, family.name, family)
  net = architecture(f'{family.name}2', (2, 2, 1), 3)
  with pytest.raises(ValueError, match=f"family '{family.name}'.*{message}"):
    net.check_trainable()
  config = base_config(
    dataset='digits',
    sources=(net.name,),
    targets=(net.name,),
    methods=('imp',),
    recipe=MLP,
  )
  config.dry_run = True
  with pytest.raises(session.ConfigError, match=family.name):
    session.run(config, tmp_path / 'study')
  assert not (tmp_path / 'study').exists()


@pytest.mark.parametrize('name', ['mlp2', 'vgg13-2', 'mobilenet20', 'resnet8'])
def test_own_modules_can_be_trained(name):
  architecture(name, (8, 8, 1), 3, 4).check_trainable()
