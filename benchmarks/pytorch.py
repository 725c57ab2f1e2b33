"""The same training in PyTorch, as open_lth writes it and in a faster backend.

Augmentation is done for a whole batch at once, which is faster than the image
by image transforms of open_lth; BN, L2, masks, the last partial batch and the
evaluation are the same work as ours.
"""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

from elth_jax.datasets.dataset import Dataset

CONV_BACKENDS = ('as open_lth', 'channels_last', 'channels_last, compiled')
VGG_PLANS = {16: (2, 2, 3, 3, 3)}


def conv(inputs: int, outputs: int, size: int, stride: int = 1, bias=False):
  return nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=bias)


class Block(nn.Module):
  def __init__(self, inputs: int, outputs: int, stride: int):
    super().__init__()
    self.conv1, self.bn1 = conv(inputs, outputs, 3, stride), norm(outputs)
    self.conv2, self.bn2 = conv(outputs, outputs, 3), norm(outputs)
    self.shortcut = nn.Sequential()
    if stride > 1 or inputs != outputs:
      self.shortcut = nn.Sequential(
        conv(inputs, outputs, 1, stride), norm(outputs)
      )

  def forward(self, x):
    y = functional.relu(self.bn1(self.conv1(x)))
    return functional.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


def norm(features: int) -> nn.Module:
  return nn.BatchNorm2d(features)


def resnet(depth: int, width: int) -> nn.Module:
  layers = [conv(3, width, 3), norm(width), nn.ReLU()]
  inputs = width
  for stage in range(3):
    for block in range((depth - 2) // 6):
      stride = 2 if stage and not block else 1
      layers.append(Block(inputs, width * 2**stage, stride))
      inputs = width * 2**stage
  head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, 10)]
  return nn.Sequential(*layers, *head)


def vgg(depth: int, width: int) -> nn.Module:
  layers: list[nn.Module] = []
  inputs = 3
  for stage, convs in enumerate(VGG_PLANS[depth]):
    if stage:
      layers.append(nn.MaxPool2d(2))
    for _ in range(convs):
      outputs = width * (1, 2, 4, 8, 8)[stage]
      layers += [conv(inputs, outputs, 3, bias=True), norm(outputs), nn.ReLU()]
      inputs = outputs
  head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, 10)]
  return nn.Sequential(*layers, *head)


def epoch(
  network: str,
  width: int,
  dataset: Dataset,
  batch_size: int,
  backend: str,
  device: str = 'cpu',
  dtype: str = 'float32',
) -> Callable[[], None]:
  """A function that trains a half-masked network for an epoch, and tests it.

  Images stay on the device. With `bfloat16`, convolutions and products are
  computed so by PyTorch's automatic mixed precision.
  """
  torch.manual_seed(0)
  torch.backends.cudnn.allow_tf32 = False  # float32 means float32
  torch.backends.cudnn.benchmark = True
  make = vgg if network.startswith('vgg') else resnet
  net = make(int(network.lstrip('resntvg')), width).to(device)
  mixed = torch.autocast(device, torch.bfloat16, enabled=dtype == 'bfloat16')
  last = 'channels_last' in backend
  if last:
    net = net.to(memory_format=torch.channels_last)  # type: ignore
  mode = 'reduce-overhead' if 'CUDA graphs' in backend else None
  run = torch.compile(net, mode=mode) if 'compiled' in backend else net
  masks = {
    name: (torch.rand_like(p) > 0.5).float()
    for name, p in net.named_parameters()
    if p.dim() > 1
  }
  optimizer = torch.optim.SGD(
    net.parameters(), 0.1, momentum=0.9, weight_decay=1e-4
  )
  images, labels = _tensors(dataset.train_images, dataset.train_labels, device)
  test_images, test_labels = _tensors(
    dataset.test_images, dataset.test_labels, device
  )
  padded = functional.pad(images, (4, 4, 4, 4))

  def ready(batch):
    batch = batch.float().div(255).sub(0.5).div(0.5)
    if last:
      return batch.contiguous(memory_format=torch.channels_last)
    return batch.contiguous()

  def one_epoch() -> None:
    net.train()
    size = images.shape[2]
    order = torch.randperm(len(images), device=device)
    for index in order.split(batch_size):
      with torch.no_grad():
        for name, p in net.named_parameters():
          if name in masks:
            p.mul_(masks[name])
      optimizer.zero_grad()
      chosen = augment(padded, index, size)
      with mixed:
        logits = run(ready(chosen))
      functional.cross_entropy(logits.float(), labels[index]).backward()
      optimizer.step()
    net.eval()
    with torch.no_grad(), mixed:
      for part, truth in zip(
        test_images.split(256), test_labels.split(256), strict=True
      ):
        (net(ready(part)).argmax(1) == truth).sum().item()

  return one_epoch


def augment(padded, index, size: int):
  """Random flips and crops of the chosen images, all at once."""
  count = len(index)
  with index.device:  # where new tensors are made
    rows = torch.randint(0, 9, (count, 1)) + torch.arange(size)
    columns = torch.randint(0, 9, (count, 1)) + torch.arange(size)
    flipped = torch.rand(count, 1) < 0.5
    channels = torch.arange(3)[None, :, None, None]
  columns = torch.where(flipped, columns.flip(1), columns)
  return padded[
    index[:, None, None, None],
    channels,
    rows[:, None, :, None],
    columns[:, None, None, :],
  ]


def _tensors(images, labels, device: str):
  pixels = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
  return pixels.to(device), torch.from_numpy(labels).long().to(device)
