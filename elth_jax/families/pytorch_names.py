"""What the published PyTorch code calls the layers of each family.

Each function takes our name of a layer (`stage2/block0/conv1`) and the depths
of the network.
"""

from collections.abc import Mapping

Depths = Mapping[str, int]


def open_lth_resnet(path: str, depths: Depths) -> str:
  """A CIFAR ResNet of open_lth and ElasticLTH."""
  top = {'stem': 'conv', 'stem_bn': 'bn', 'head': 'fc'}
  if path in top:
    return top[path]
  number, layer = _numbered_through(path, depths)
  layer = {'shortcut': 'shortcut.0', 'shortcut_bn': 'shortcut.1'}.get(
    layer, layer
  )
  return f'blocks.{number}.{layer}'


def torchvision_resnet(path: str, depths: Depths) -> str:
  """An ImageNet ResNet, which open_lth takes from torchvision."""
  del depths
  top = {'stem': 'conv1', 'stem_bn': 'bn1', 'head': 'fc'}
  if path in top:
    return top[path]
  stage, block, layer = path.split('/')
  layer = {'shortcut': 'downsample.0', 'shortcut_bn': 'downsample.1'}.get(
    layer, layer
  )
  return f'layer{stage[5:]}.{block[5:]}.{layer}'


def elastic_lth_vgg(path: str, depths: Depths) -> str:
  """A VGG of open_lth, whose `layers` count max-pools too.

  ElasticLTH's VGG-13-k has its hidden linear layers in a `classifier`, which
  counts the ReLUs between them: `classifier.0`, `classifier.2`, ...
  """
  if path == 'head':
    return 'fc'
  stage, block, layer = path.split('/')
  if stage == 'stage6':
    return f'classifier.{2 * int(block[5:])}'
  number, _ = _numbered_through(path, depths)
  return f'layers.{number + list(depths).index(stage)}.{layer}'


def older_vgg(path: str, depths: Depths) -> str:
  """A VGG as this library used to write it: `fc_layers.0`, `fc_layers.1`."""
  stage, _, rest = path.partition('/')
  if stage != 'stage6':
    return elastic_lth_vgg(path, depths)
  return f'fc_layers.{rest.partition("/")[0][5:]}'


def open_lth_mlp(path: str, depths: Depths) -> str:
  """An MLP of open_lth: `fc_layers` numbered through, then `fc`."""
  if path == 'head':
    return 'fc'
  if path == 'neck':
    return f'fc_layers.{depths["stage1"]}'
  return f'fc_layers.{path.split("/")[1][5:]}'


def mobilenet(path: str, depths: Depths) -> str:
  """A MobileNetV1 of the widespread PyTorch port (kuangliu's)."""
  top = {'stem': 'conv1', 'stem_bn': 'bn1', 'head': 'linear'}
  if path in top:
    return top[path]
  number, layer = _numbered_through(path, depths)
  layer = {'depthwise': 'conv1', 'pointwise': 'conv2'}.get(layer, layer)
  return f'layers.{number}.{layer}'


def _numbered_through(path: str, depths: Depths) -> tuple[int, str]:
  """A block's number in the whole network, and the layer's own name."""
  stage, block, layer = path.split('/')
  stages = list(depths)
  before = sum(depths[name] for name in stages[: stages.index(stage)])
  return before + int(block[5:]), layer
