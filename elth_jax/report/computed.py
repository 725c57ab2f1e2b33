"""Costs that the papers claim, computed from their networks; none is trained.

All weights of a network are taken to be kept alike. Training costs three
forward passes an image, at the density of what is trained; DPF's backward
passes are dense.
"""

import dataclasses
from collections.abc import Iterator, Sequence

from elth_jax.families import architecture, pretty
from elth_jax.nn.cost import train_flops

KEEP = 0.8  # of the weights, at each level of IMP
LEVELS = 13  # of IMP, for 95% sparsity; 90% is on the way
DENSITIES = (0.10, 0.05)
CIFAR = tuple(f'resnet{depth}' for depth in (14, 20, 32, 44, 56))
IMAGENET = tuple(f'imagenet_resnet{depth}' for depth in (18, 26, 34))


@dataclasses.dataclass(frozen=True)
class Cost:
  """One cost.

  Attributes:
    claim: its row in the list of the papers' claims.
    what: whose cost it is.
    published: in numbers, as the paper has them.
    ours: as computed here.
  """

  claim: int
  what: str
  published: tuple[float, ...]
  ours: tuple[float, ...]


def costs() -> list[Cost]:
  """Those of tables 2 and 3 of E-LTH.

  Of table 2, in dense trainings of ImageNet's ResNet-34; of table 3, in billion
  multiply-adds of training on one image.

  References:
    Chen et al. 2021, section 4.5.
  """
  unit = _training(IMAGENET[-1])
  search = sum(_training(IMAGENET[1], KEEP**k) for k in range(6)) / unit
  sparse = [_training(name, KEEP**6) / unit for name in IMAGENET]
  longer = [5 * cost for cost in sparse]
  return [
    Cost(57, 'IMP on ResNet-26 to 73.79%', (2.77,), (search,)),
    Cost(
      57, 'its tickets on ResNet-18, 26, 34', (0.14, 0.20, 0.26), (*sparse,)
    ),
    Cost(57, 'RigL, five times as long', (0.69, 1.0, 1.3), (*longer,)),
    Cost(58, 'E-LTH in all', (3.37,), (search + sum(sparse),)),
    Cost(58, 'RigL in all', (2.99,), (sum(longer),)),
    *(
      Cost(63, f'E-LTH in all, by IMP on {pretty(source)}', (1.26,), (elastic,))
      for source, elastic in _elastic().items()
    ),
    Cost(63, 'DPF in all', (1.49,), (_dpf(),)),
  ]


def _elastic() -> dict[str, float]:
  """Source -> IMP on it once, and a training of each network and sparsity."""
  work = {name: _training(name) for name in CIFAR}
  trained = sum(DENSITIES) * sum(work.values())
  levels = sum(KEEP**level for level in range(LEVELS))
  return {name: (levels * work[name] + trained) / 1e9 for name in CIFAR}


def _dpf() -> float:
  """Forward passes are sparse, and two backward passes dense."""
  passes = sum(2 + density for density in DENSITIES)
  return passes * sum(map(_training, CIFAR)) / 3e9


def _training(name: str, density: float = 1.0) -> float:
  """Multiply-adds of training on one image."""
  shape, classes = ((32, 32, 3), 10) if name in CIFAR else (None, None)
  work = architecture(name, shape, classes).multiply_adds()
  return train_flops(work, dict.fromkeys(work, density), 1) / 2


def section(found: Sequence[Cost]) -> Iterator[str]:
  """Markdown: the published costs, and the same as computed here."""
  yield '## Costs, computed\n'
  yield (
    "Claims 57 and 58 count dense trainings of ImageNet's ResNet-34, claim 63 "
    'billion multiply-adds of training on one image. Training costs three '
    "forward passes at the network's density, the same in all layers; DPF's "
    'two backward passes are dense. For claim 63, E-LTH is IMP to 95% once, '
    'and its tickets at 90% and 95% on the five ResNets of figure 6.\n'
  )
  yield '| claim | cost | published | computed |'
  yield '| ---: | --- | ---: | ---: |'
  for cost in found:
    yield (
      f'| {cost.claim} | {cost.what} | {_numbers(cost.published)} | '
      f'{_numbers(cost.ours)} |'
    )
  yield ''


def _numbers(values: Sequence[float]) -> str:
  return ', '.join(f'{value:.2f}' for value in values)
