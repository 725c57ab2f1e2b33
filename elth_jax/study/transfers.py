"""Where a study's tickets are found, and how they reach its targets."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax

from elth_jax import families
from elth_jax.datasets import Images
from elth_jax.elastic.rules import Scores, squeezes, stretches
from elth_jax.elastic.width import NARROW, WIDEN, WIDTH_RULES
from elth_jax.families import Architecture
from elth_jax.names import slug
from elth_jax.study.spec import StudySpec
from elth_jax.training.recipe import Recipe

WORDS = {  # in names of nodes
  'source_dataset': 'on',
  'source_optimizer': 'by',
  'source_width': 'of-width',
}


@dataclasses.dataclass(frozen=True, eq=False)
class TrainingSetting:
  """Where networks are trained, in what determines a run.

  Attributes:
    data: the data set in plain values.
    examples: how many training images there are.
    networks: the study's networks, for its images and classes.
    recipe: how its networks are trained.
    changes: in what it differs from the targets' setting; empty for that.
  """

  data: Mapping[str, Any]
  examples: int
  networks: Mapping[str, Architecture]
  recipe: Recipe
  changes: Mapping[str, Any]

  @classmethod
  def of(
    cls,
    spec: StudySpec,
    data: Images,
    recipe: Recipe,
    width: int,
    changes: Mapping[str, Any],
  ) -> 'TrainingSetting':
    about = {
      'dataset': data.name,
      'examples': data.examples,
      'sha256': data.sha256,
      'normalization': [list(data.mean), list(data.std)],
    }
    networks = {
      name: families.architecture(
        name, data.image_shape, data.classes, width or None
      )
      for name in (*spec.sources, *spec.targets)
    }
    return cls(about, data.examples, networks, recipe, changes)

  @property
  def suffix(self) -> str:
    """Of the names of its nodes."""
    return ''.join(
      f'-{WORDS[what]}-{slug(str(value))}'
      for what, value in self.changes.items()
    )


@dataclasses.dataclass(frozen=True)
class Transfer:
  """One way from a source's ticket to a target.

  Attributes:
    setting: where the source's ticket is found.
    source: the network that it is found in.
    target: the network that it is for.
    order: the rule by which units are arranged.
    width_rule: the rule by which channels are; empty where widths agree.
  """

  setting: TrainingSetting
  source: str
  target: str
  order: str
  width_rule: str = ''

  @property
  def shown(self) -> str:
    """Both rules, as results name them."""
    if not self.width_rule:
      return self.order
    if self.order == 'squeeze':  # by nothing: widths have no depth rule
      return self.width_rule
    return f'{self.order}, {self.width_rule}'


def training_settings(
  spec: StudySpec, data: Mapping[str, Images]
) -> tuple[TrainingSetting, list[TrainingSetting]]:
  """The targets' setting, and those of the sources, which may be the same.

  Raises:
    ValueError: if a network is unknown, or has weights on one setting that do
      not fit it on another.
  """
  home = TrainingSetting.of(
    spec, data[spec.dataset], spec.recipe_for(spec.dataset), spec.width, {}
  )
  for network in home.networks.values():
    network.check_trainable()
  names = spec.source_datasets or (spec.dataset,)
  return home, [_origin(spec, home, data[name]) for name in names]


def _origin(
  spec: StudySpec, home: TrainingSetting, data: Images
) -> TrainingSetting:
  """Where sources' tickets are found in one data set."""
  changes: dict[str, Any] = {}
  if data.name != spec.dataset:
    changes['source_dataset'] = data.name
  if spec.source_optimizer:
    changes['source_optimizer'] = spec.source_optimizer
  widths = {network.width for network in home.networks.values()}
  if spec.source_width and widths != {spec.source_width}:
    changes['source_width'] = spec.source_width
  if not changes:
    return home
  recipe = spec.recipe_for(data.name, source=True)
  setting = TrainingSetting.of(
    spec, data, recipe, spec.source_width or spec.width, changes
  )
  for source in spec.sources:
    _check_alike(setting.networks[source], home.networks[source])
  return setting


def transfers(
  spec: StudySpec,
  home: TrainingSetting,
  source_settings: Sequence[TrainingSetting],
) -> list[Transfer]:
  """Every transfer from a source to a target that ETT is asked for.

  Raises:
    ValueError: if no plan leads from a source to a target.
  """
  found = []
  for setting in source_settings:
    for source in spec.sources:
      for target in spec.targets:
        if source == target and setting is home:
          continue
        have, want = home.networks[source], home.networks[target]
        widths = _width_rules(spec, setting.networks[source], have)
        for order in _orders(spec, have, want):
          # which units are best is known when the ticket is; any will do here
          families.plan_between(have, want, order, _equal_scores(have))
          found += [
            Transfer(setting, source, target, order, rule) for rule in widths
          ]
  return found


def _orders(
  spec: StudySpec, source: Architecture, target: Architecture
) -> list[str]:
  """The depth rules for two networks.

  Rules that stretch are for deeper targets and rules that squeeze for
  shallower ones, which are squeezed plainly if no such rule is given.
  """
  have, want = source.depths, target.depths
  shrinks = any(want.get(stage, 0) < n for stage, n in have.items())
  refused = stretches if shrinks else squeezes
  rules = [rule for rule in spec.orders if rule not in WIDTH_RULES]
  fitting = [rule for rule in rules if not refused(rule)]
  if have == want or (shrinks and not fitting):
    return ['squeeze']  # by nothing, where depths are equal
  if not fitting:
    raise ValueError(
      f'orders {spec.orders} has no rule that leads from {source.name} to '
      f'{target.name}'
    )
  return fitting


def _width_rules(
  spec: StudySpec, source: Architecture, wanted: Architecture
) -> list[str]:
  """The width rules for a source; one that is empty where widths agree."""
  have, want = source.width, wanted.width
  if have == want:
    return ['']
  if have == 2 * want:
    return [NARROW]
  if 2 * have != want:
    raise ValueError(
      f'{source.name}: sources of width {have} and targets of width {want}; '
      'tickets can be doubled or halved'
    )
  asked = [rule for rule in spec.orders if rule in WIDEN]
  return asked or list(WIDEN)[:1]


def _check_alike(one: Architecture, other: Architecture) -> None:
  """`ValueError` if image sizes give a network weights of other shapes."""
  same = dataclasses.replace(one, width=other.width, classes=other.classes)
  shapes = [jax.tree.leaves(network.shapes()) for network in (same, other)]
  if [leaf.shape for leaf in shapes[0]] != [leaf.shape for leaf in shapes[1]]:
    raise ValueError(
      f'{one.name} has other weights for images of {one.input_shape} than of '
      f'{other.input_shape}; give both one image_size'
    )


def _equal_scores(network: Architecture) -> Scores:
  by_stage = {stage: [0.0] * units for stage, units in network.depths.items()}
  return {'density': by_stage, 'magnitude': by_stage}
