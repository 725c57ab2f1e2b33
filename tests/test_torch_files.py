"""Checkpoints of open_lth's networks, against PyTorch itself where it is."""

import itertools
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from elth_jax.families import architecture
from elth_jax.methods.lottery import dense_ticket, next_level
from elth_jax.nn import conv_backends
from elth_jax.tickets import pytorch as torch_files
from elth_jax.trees import flatten

NETWORKS = {
  'resnet14': ('resnet14', (32, 32, 3), 10, 4),
  'imagenet_resnet18': ('imagenet_resnet18', (64, 64, 3), 10, 4),
  'bottleneck_resnet50': ('bottleneck_resnet50', (64, 64, 3), 10, 4),
  'vgg13': ('vgg13', (32, 32, 3), 10, 4),
  'vgg13-3': ('vgg13-3', (32, 32, 3), 10, 4),
  'mobilenet20': ('mobilenet20', (64, 64, 3), 10, 4),
  'mlp2': ('mlp2', (28, 28, 1), 10, 30),
}


def sparse_ticket(name):
  net = architecture(*NETWORKS[name])
  fresh = net.init(0)
  draw = np.random.default_rng(0)
  stats = jax.tree.map(
    lambda s: (s + 0.2 * draw.random(s.shape)).astype(np.float32),
    fresh['batch_stats'],
  )
  dense = dense_ticket(net, fresh['params'], stats)
  return net, next_level(dense, dense, dense.params, 0.6)


def test_the_network_is_no_name():
  with pytest.raises(TypeError, match=r"network is 'resnet20'; .*architecture"):
    torch_files.from_state_dict('resnet20', {})


def assert_same(one, other):
  for name in ('params', 'batch_stats', 'masks'):
    jax.tree.map(
      np.testing.assert_array_equal, getattr(one, name), getattr(other, name)
    )


@pytest.mark.parametrize('name', NETWORKS)
def test_there_and_back_through_safetensors(name, tmp_path):
  net, ticket = sparse_ticket(name)
  weights, masks = tmp_path / 'w.safetensors', tmp_path / 'm.safetensors'
  torch_files.save_ticket(ticket, weights, masks)
  assert_same(torch_files.load_ticket(net, weights, masks), ticket)


def test_names_of_open_lth():
  _, ticket = sparse_ticket('resnet14')
  state, masks = torch_files.to_state_dict(ticket)
  assert state['blocks.2.shortcut.0.weight'].shape == (8, 4, 1, 1)
  assert {'conv.weight', 'blocks.5.bn2.running_var', 'fc.bias'} <= state.keys()
  assert 'bn.num_batches_tracked' in state
  assert masks.keys() == {n for n in state if state[n].ndim > 1}
  _, vgg = sparse_ticket('vgg13')
  # layers 2, 5, 8 and 11 are max-pools
  convs = [0, 1, 3, 4, 6, 7, 9, 10, 12, 13]
  assert torch_files.to_state_dict(vgg)[1].keys() == {
    *(f'layers.{n}.conv.weight' for n in convs),
    'fc.weight',
  }
  _, mlp = sparse_ticket('mlp2')
  assert torch_files.to_state_dict(mlp)[1].keys() == {
    'fc_layers.0.weight',
    'fc_layers.1.weight',
    'fc_layers.2.weight',
    'fc.weight',
  }


def test_older_names_of_vgg13_k_are_read():
  """Of weights and of masks, each by itself; the new ones are written."""
  net, ticket = sparse_ticket('vgg13-3')
  state, masks = torch_files.to_state_dict(ticket)
  assert {'classifier.0.bias', 'classifier.2.weight', 'fc.bias'} <= set(state)
  assert {'classifier.0.weight', 'classifier.2.weight'} <= set(masks)

  def older(arrays):
    return {
      name.replace('classifier.0', 'fc_layers.0').replace(
        'classifier.2', 'fc_layers.1'
      ): array
      for name, array in arrays.items()
    }

  for weights in (state, older(state)):
    for kept in (masks, older(masks)):
      assert_same(torch_files.from_state_dict(net, weights, kept), ticket)
  mixed = older(state)
  mixed['classifier.0.weight'] = mixed.pop('fc_layers.0.weight')
  with pytest.raises(ValueError, match=r'missing .*fc_layers\.0\.weight'):
    torch_files.from_state_dict(net, mixed)


def test_dense_weights_are_masked_on_reading():
  net, ticket = sparse_ticket('mlp2')
  state, masks = torch_files.to_state_dict(ticket)
  dense = {name: np.ones_like(value) for name, value in state.items()}
  read = torch_files.from_state_dict(net, dense, masks)
  assert read.sparsity == ticket.sparsity
  assert torch_files.from_state_dict(net, dense).sparsity == 0
  wrapped = {f'module.model.{name}': value for name, value in state.items()}
  assert_same(torch_files.from_state_dict(net, wrapped, masks), ticket)


def test_names_of_torch_nn_utils_prune():
  net, ticket = sparse_ticket('resnet14')
  state, masks = torch_files.to_state_dict(ticket)
  pruned = {
    **{f'{n}_orig' if n in masks else n: a for n, a in state.items()},
    **{f'{n}_mask': mask for n, mask in masks.items()},
  }
  assert_same(torch_files.from_state_dict(net, pruned), ticket)
  bias = state['fc.bias'] + 1  # which has no mask here, and is 0 where pruned
  kept = bias > np.median(bias) - 1
  kept[0] = False
  also = {**pruned, 'fc.bias_orig': bias, 'fc.bias_mask': kept.astype('int32')}
  del also['fc.bias']
  read = torch_files.from_state_dict(net, also)
  np.testing.assert_array_equal(read.params['head']['bias'], bias * kept)
  half = {**state, 'fc.bias_orig': bias}
  with pytest.raises(ValueError, match=r'unexpected .*fc\.bias_orig'):
    torch_files.from_state_dict(net, half)
  first = next(iter(masks))  # a part of a network may be pruned
  for one in masks.keys() - {first}:
    pruned[one] = pruned.pop(f'{one}_orig')
    pruned.pop(f'{one}_mask')
  with pytest.warns(UserWarning, match='are 0 in layers whose masks keep all'):
    kept = torch_files.from_state_dict(net, pruned)
  assert 0 < kept.sparsity < ticket.sparsity
  with pytest.raises(ValueError, match=r'have their own \(.*_mask and others'):
    torch_files.from_state_dict(net, pruned, masks)


def test_the_file_at_fault_is_named(tmp_path):
  net, ticket = sparse_ticket('resnet14')
  weights, masks = tmp_path / 'w.safetensors', tmp_path / 'm.safetensors'
  torch_files.save_ticket(ticket, weights, masks)
  with pytest.raises(ValueError, match=r'm\.saf.* weights and masks swapped'):
    torch_files.load_ticket(net, masks, weights)
  _, wrong = torch_files.to_state_dict(ticket)
  torch_files.write_arrays(masks, {n: m[:, :1] for n, m in wrong.items()})
  with pytest.raises(
    ValueError, match=r'm\.safetensors: mask .*\.weight: shape'
  ):
    torch_files.load_ticket(net, weights, masks)
  _, wrong = torch_files.to_state_dict(ticket)
  wrong = {name: mask * 0.5 for name, mask in wrong.items()}
  torch_files.write_arrays(masks, wrong)
  with pytest.raises(ValueError, match=r'm\.safetensors: mask \S+ has values'):
    torch_files.load_ticket(net, weights, masks)


@pytest.mark.parametrize(
  ('change', 'message'),
  [
    (lambda s, m: s.pop('fc.bias'), r"weights: missing \['fc.bias'\]"),
    (lambda s, m: s.update(x=s['fc.bias']), r"unexpected \['x'\]"),
    (lambda s, m: m.pop('fc.weight'), r"masks: missing \['fc.weight'\]"),
    (lambda s, m: m.update({'fc.weight': m['fc.weight'] + 1}), '0 and 1'),
    (
      lambda s, m: s.update({'fc.weight': s['fc.weight'].T}),
      r'fc.weight: shape \(10, 10\)|fc.weight: shape',
    ),
  ],
)
def test_other_files_are_refused(change, message):
  net, ticket = sparse_ticket('resnet14')
  state, masks = torch_files.to_state_dict(ticket)
  change(state, masks)
  with pytest.raises(ValueError, match=message):
    torch_files.from_state_dict(net, state, masks)


def test_files_that_cannot_be_read(tmp_path, monkeypatch):
  net = architecture(*NETWORKS['mlp2'])
  with pytest.raises(FileNotFoundError, match='no file at'):
    torch_files.load_ticket(net, tmp_path / 'none.pth')
  (tmp_path / 'x.safetensors').write_bytes(b'nothing')
  with pytest.raises(ValueError, match=r'x\.safetensors is no sound'):
    torch_files.load_ticket(net, tmp_path / 'x.safetensors')
  (tmp_path / 'x.pth').write_bytes(b'nothing')
  monkeypatch.setitem(sys.modules, 'torch', None)
  with pytest.raises(ImportError, match=r'elth_jax\[torch\]'):
    torch_files.load_ticket(net, tmp_path / 'x.pth')


def test_colour_images_of_an_mlp():
  net = architecture('mlp2', (8, 8, 3), 10)
  with pytest.raises(ValueError, match='channels first'):
    torch_files.from_state_dict(net, {})


def torch_modules():
  """open_lth's networks, written with PyTorch's own modules."""
  torch = pytest.importorskip('torch')
  nn, functional = torch.nn, torch.nn.functional

  def conv(i, o, size, stride=1, **more):
    pad = (size - 1) // 2
    return nn.Conv2d(i, o, size, stride, pad, bias=False, **more)

  class Basic(nn.Module):
    def __init__(self, i, o, stride, shortcut):
      super().__init__()
      self.conv1, self.bn1 = conv(i, o, 3, stride), nn.BatchNorm2d(o)
      self.conv2, self.bn2 = conv(o, o, 3), nn.BatchNorm2d(o)
      if stride > 1 or i != o:
        layers = conv(i, o, 1, stride), nn.BatchNorm2d(o)
        setattr(self, shortcut, nn.Sequential(*layers))
      self.called = shortcut

    def forward(self, x):
      y = functional.relu(self.bn1(self.conv1(x)))
      y = self.bn2(self.conv2(y))
      return functional.relu(getattr(self, self.called, lambda x: x)(x) + y)

  class Bottleneck(nn.Module):
    def __init__(self, i, o, stride):
      super().__init__()
      self.conv1, self.bn1 = conv(i, o, 1), nn.BatchNorm2d(o)
      self.conv2, self.bn2 = conv(o, o, 3, stride), nn.BatchNorm2d(o)
      self.conv3, self.bn3 = conv(o, 4 * o, 1), nn.BatchNorm2d(4 * o)
      self.downsample = None
      if i != 4 * o:
        layers = conv(i, 4 * o, 1, stride), nn.BatchNorm2d(4 * o)
        self.downsample = nn.Sequential(*layers)

    def forward(self, x):
      y = functional.relu(self.bn1(self.conv1(x)))
      y = functional.relu(self.bn2(self.conv2(y)))
      y = self.bn3(self.conv3(y))
      return functional.relu((self.downsample(x) if self.downsample else x) + y)

  class CifarResNet(nn.Module):
    def __init__(self, width, depth, classes):
      super().__init__()
      self.conv, self.bn = conv(3, width, 3), nn.BatchNorm2d(width)
      blocks, now = [], width
      for stage in range(3):
        for block in range(depth):
          stride = 2 if stage and not block else 1
          blocks.append(Basic(now, width * 2**stage, stride, 'shortcut'))
          now = width * 2**stage
      self.blocks = nn.Sequential(*blocks)
      self.fc = nn.Linear(now, classes)

    def forward(self, x):
      x = self.blocks(functional.relu(self.bn(self.conv(x))))
      return self.fc(x.mean((2, 3)))

  class ImageNetResNet(nn.Module):
    def __init__(self, width, depths, classes, bottleneck):
      super().__init__()
      self.conv1, self.bn1 = conv(3, width, 7, 2), nn.BatchNorm2d(width)
      now = width
      for stage, depth in enumerate(depths):
        blocks, features = [], width * 2**stage
        for block in range(depth):
          stride = 2 if stage and not block else 1
          if bottleneck:
            blocks.append(Bottleneck(now, features, stride))
          else:
            blocks.append(Basic(now, features, stride, 'downsample'))
          now = features * (4 if bottleneck else 1)
        setattr(self, f'layer{stage + 1}', nn.Sequential(*blocks))
      self.fc = nn.Linear(now, classes)

    def forward(self, x):
      x = functional.relu(self.bn1(self.conv1(x)))
      x = functional.max_pool2d(x, 3, 2, 1)
      for stage in range(1, 5):
        x = getattr(self, f'layer{stage}')(x)
      return self.fc(x.mean((2, 3)))

  class ConvModule(nn.Module):
    def __init__(self, i, o):
      super().__init__()
      self.conv, self.bn = nn.Conv2d(i, o, 3, padding=1), nn.BatchNorm2d(o)

    def forward(self, x):
      return functional.relu(self.bn(self.conv(x)))

  class VGG(nn.Module):  # ElasticLTH's, with a classifier if k > 1
    def __init__(self, width, hidden, classes):
      super().__init__()
      layers, now = [], 3
      for stage, factor in enumerate((1, 2, 4, 8, 8)):
        layers += [nn.MaxPool2d(2, 2)] if stage else []
        for _ in range(2):
          layers.append(ConvModule(now, width * factor))
          now = width * factor
      self.layers = nn.Sequential(*layers)
      pairs = ((nn.Linear(now, now), nn.ReLU()) for _ in range(hidden))
      self.classifier = nn.Sequential(*itertools.chain(*pairs))
      self.fc = nn.Linear(now, classes)

    def forward(self, x):
      x = nn.AvgPool2d(2)(self.layers(x)).flatten(1)
      return self.fc(self.classifier(x))

  class Separable(nn.Module):
    def __init__(self, i, o, stride):
      super().__init__()
      self.conv1 = conv(i, i, 3, stride, groups=i)
      self.bn1, self.conv2 = nn.BatchNorm2d(i), conv(i, o, 1)
      self.bn2 = nn.BatchNorm2d(o)

    def forward(self, x):
      x = functional.relu(self.bn1(self.conv1(x)))
      return functional.relu(self.bn2(self.conv2(x)))

  class MobileNet(nn.Module):
    def __init__(self, width, plan, classes):
      super().__init__()
      self.conv1, self.bn1 = conv(3, width, 3, 2), nn.BatchNorm2d(width)
      blocks, now = [], width
      for factor, stride in plan:
        blocks.append(Separable(now, width * factor, stride))
        now = width * factor
      self.layers = nn.Sequential(*blocks)
      self.linear = nn.Linear(now, classes)

    def forward(self, x):
      x = self.layers(functional.relu(self.bn1(self.conv1(x))))
      return self.linear(x.mean((2, 3)))

  class LeNet(nn.Module):
    def __init__(self, sizes, classes):
      super().__init__()
      pairs = itertools.pairwise(sizes)
      self.fc_layers = nn.ModuleList(nn.Linear(i, o) for i, o in pairs)
      self.fc = nn.Linear(sizes[-1], classes)

    def forward(self, x):
      x = x.flatten(1)
      for layer in self.fc_layers:
        x = functional.relu(layer(x))
      return self.fc(x)

  one_equal_block = [(2, 1), (4, 2), (4, 1), (8, 2), (8, 1), (16, 2), (16, 1)]
  return {
    'resnet14': lambda: CifarResNet(4, 2, 10),
    'imagenet_resnet18': lambda: ImageNetResNet(4, (2, 2, 2, 2), 10, False),
    'bottleneck_resnet50': lambda: ImageNetResNet(4, (3, 4, 6, 3), 10, True),
    'vgg13': lambda: VGG(4, 0, 10),
    'vgg13-3': lambda: VGG(4, 2, 10),
    'mobilenet20': lambda: MobileNet(
      4, [*one_equal_block, (32, 2), (32, 1)], 10
    ),
    'mlp2': lambda: LeNet((784, 30, 30, 10), 10),
  }


@pytest.mark.parametrize('name', NETWORKS)
def test_logits_are_those_of_pytorch(name, tmp_path):
  """From a .pth that PyTorch wrote, and back into PyTorch."""
  torch = pytest.importorskip('torch')
  torch.manual_seed(0)
  theirs = torch_modules()[name]().eval()
  for key, value in theirs.state_dict().items():
    if 'running' in key or key.endswith('bias'):
      value += 0.1 * torch.rand_like(value)
    elif value.ndim > 1:
      value *= 2.5  # PyTorch's default fades out in deep plain networks
  weights, masks = tmp_path / 'model.pth', tmp_path / 'mask.pth'
  torch.save(theirs.state_dict(), weights)
  net = architecture(*NETWORKS[name])
  ticket = torch_files.load_ticket(net, weights)
  draw = np.random.default_rng(0)
  images = draw.normal(size=(2, *net.input_shape)).astype(np.float32)
  with torch.no_grad():
    expected = theirs(torch.from_numpy(images.transpose(0, 3, 1, 2))).numpy()
  variables = {'params': ticket.params, 'batch_stats': ticket.batch_stats}
  found = np.asarray(net.module(conv_backends.NHWC).apply(variables, images))
  scale = np.abs(expected).max()
  assert np.ptp(expected, axis=0).max() > 1e-3 * scale
  np.testing.assert_allclose(found / scale, expected / scale, atol=1e-5)
  sparse = next_level(ticket, ticket, ticket.params, 0.5)
  torch_files.save_ticket(sparse, weights, masks)
  theirs.load_state_dict(torch.load(weights, weights_only=True))
  kept = torch.load(masks, weights_only=True)
  for key, mask in kept.items():
    assert not theirs.state_dict()[key][mask == 0].any()
  assert_same(torch_files.load_ticket(net, weights, masks), sparse)


def test_nothing_in_a_file_is_executed(tmp_path):
  torch = pytest.importorskip('torch')

  class Evil:
    def __reduce__(self):
      return open, (str(tmp_path / 'executed'), 'w')

  torch.save({'conv.weight': Evil()}, tmp_path / 'evil.pth')
  net = architecture(*NETWORKS['mlp2'])
  with pytest.raises(
    ValueError, match=r'evil\.pth is no file of plain tensors'
  ):
    torch_files.load_ticket(net, tmp_path / 'evil.pth')
  assert not (tmp_path / 'executed').exists()
  torch.save([1, 2], tmp_path / 'list.pth')
  with pytest.raises(ValueError, match='holds no dictionary of tensors'):
    torch_files.load_ticket(net, tmp_path / 'list.pth')


@pytest.mark.parametrize('damage', ['empty', 'half', 'byte', 'text', 'zip'])
def test_damaged_files_are_named(damage, tmp_path):
  torch = pytest.importorskip('torch')
  path = tmp_path / 'model.pth'
  torch.save({'w': torch.ones(50, 50)}, path)
  whole = path.read_bytes()
  path.write_bytes(
    {
      'empty': b'',
      'half': whole[: len(whole) // 2],
      'byte': b'\x80',
      'text': b'<!DOCTYPE html>',
      'zip': whole[:200] + b'\0' * 100 + whole[300:],
    }[damage]
  )
  with pytest.raises(ValueError, match=r'model\.pth'):
    torch_files.read_arrays(path)


@pytest.mark.parametrize('suffix', ['safetensors', 'pth'])
def test_arrays_keep_shape_and_dtype(suffix, tmp_path):
  """0-d counters, transposed arrays, half precision."""
  if suffix == 'pth':
    pytest.importorskip('torch')
  arrays = {
    'count': np.array(7, np.int64),
    'turned': np.arange(6.0).reshape(2, 3).T,
    'half': np.ones(2, np.float16),
    'brain': np.array([1.5, -2], jnp.bfloat16),
  }
  path = tmp_path / f'arrays.{suffix}'
  torch_files.write_arrays(path, arrays)
  found = torch_files.read_arrays(path)
  for name, array in arrays.items():
    assert found[name].shape == array.shape
    np.testing.assert_array_equal(
      found[name].astype(np.float32), array.astype(np.float32)
    )
    if name != 'brain':
      assert found[name].dtype == array.dtype


def test_tensors_that_are_no_arrays(tmp_path):
  torch = pytest.importorskip('torch')
  torch.save({'fc.weight': torch.eye(3).to_sparse()}, tmp_path / 'a.pth')
  with pytest.raises(ValueError, match=r'a\.pth: fc\.weight is no plain array'):
    torch_files.read_arrays(tmp_path / 'a.pth')


def test_every_leaf_has_a_name_of_its_own():
  for name in NETWORKS:
    net, ticket = sparse_ticket(name)
    state, _ = torch_files.to_state_dict(ticket)
    counters = [n for n in state if n.endswith('num_batches_tracked')]
    assert len(state) - len(counters) == len(flatten(net.shapes()))
