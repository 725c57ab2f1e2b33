"""How a study trains its targets and its sources, and what leads to which."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from elth_jax import families
from elth_jax.datasets import Images
from elth_jax.families import Architecture
from elth_jax.study.nodes import TrainingSet
from elth_jax.study.spec import StudySpec
from elth_jax.training.recipe import Recipe
from elth_jax.transfers import (
  Place,
  Transfer,
  origins,
  suffix,
  transfers_between,
)


@dataclasses.dataclass(frozen=True, eq=False)
class TrainingSetting:
  """What all networks of a study that are trained alike have in common.

  Attributes:
    data: the training images.
    networks: the study's networks by name, for these images and classes.
    recipe: how they are trained.
    origin: in what it differs from the targets' setting, by column of
      results.csv; empty for that.
  """

  data: TrainingSet
  networks: Mapping[str, Architecture]
  recipe: Recipe
  origin: Mapping[str, Any]

  @property
  def suffix(self) -> str:
    """Of the names of its networks, in names of nodes."""
    return suffix(self.origin)

  @property
  def rewind_point(self) -> int:
    """The step r that tickets go back to."""
    return self.recipe.rewind_point(self.data.examples)

  def place(self, network: str) -> Place:
    """Where a network is trained."""
    return Place(
      self.networks[network], self.data.dataset, self.recipe.optimizer
    )


@dataclasses.dataclass(frozen=True)
class PlannedTransfer:
  """One way from a source of a study to a target.

  Attributes:
    setting: in which the source's ticket is found.
    source: the network that it is found in.
    target: the network that it is for.
    transfer: the steps.
  """

  setting: TrainingSetting
  source: str
  target: str
  transfer: Transfer


def training_settings(
  spec: StudySpec, data: Mapping[str, Images]
) -> tuple[TrainingSetting, list[TrainingSetting]]:
  """The targets' setting, and those of the sources, which may be the same.

  Raises:
    ValueError: if a network is unknown, or cannot be trained.
  """
  home = _setting(spec, data[spec.dataset], spec.width)
  for network in home.networks.values():
    network.check_trainable()
  names = spec.source_datasets or (spec.dataset,)
  return home, [_origin(spec, home, data[name]) for name in names]


def _setting(
  spec: StudySpec, data: Images, width: int, source: bool = False
) -> TrainingSetting:
  images = TrainingSet(
    data.name, data.examples, data.sha256, (data.mean, data.std)
  )
  networks = {
    name: families.architecture(
      name, data.image_shape, data.classes, width or None
    )
    for name in (*spec.sources, *spec.targets)
  }
  return TrainingSetting(
    images, networks, spec.recipe_for(data.name, source), {}
  )


def _origin(
  spec: StudySpec, home: TrainingSetting, data: Images
) -> TrainingSetting:
  """Where sources' tickets are found in one data set."""
  width = spec.source_width or spec.width
  setting = _setting(spec, data, width, source=True)
  name = spec.sources[0]
  changes = origins(setting.place(name), home.place(name))
  return dataclasses.replace(setting, origin=changes) if changes else home


def planned_transfers(
  spec: StudySpec,
  home: TrainingSetting,
  sources: list[TrainingSetting],
  method: str,
) -> list[PlannedTransfer]:
  """Every transfer from a source to a target that a method is asked for.

  Raises:
    ValueError: if no steps lead from a source to a target, or the only source
      is the only target itself.
  """
  found = [
    PlannedTransfer(setting, source, target, transfer)
    for setting in sources
    for source in spec.sources
    for target in spec.targets
    if source != target or setting is not home
    for transfer in transfers_between(
      setting.place(source),
      home.place(target),
      spec.orders_of.get(method, spec.orders),
    )
  ]
  if sources and not found:
    raise ValueError(
      f'{method} takes tickets from other networks, and {spec.sources[0]} is '
      'the only source and the only target; give another source or target'
    )
  return found
