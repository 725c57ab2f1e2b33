"""What a start is refused for, though `build` takes it for earlier versions."""

import itertools
from collections.abc import Iterator, Mapping

from elth_jax.datasets import Images
from elth_jax.dynamic import DYNAMIC
from elth_jax.methods import METHODS
from elth_jax.methods.dynamic_sparse import kept_by_leaf
from elth_jax.methods.lottery import kept_by_level
from elth_jax.study.nodes import Derive, Node
from elth_jax.study.settings import training_settings
from elth_jax.study.spec import StudySpec


def check_asked(spec: StudySpec, data: Mapping[str, Images]) -> None:
  """Checks what is asked for against the data.

  Raises:
    ValueError: if scores or masks that change in training lack the steps, or
      random masks the weights.
  """
  _check_score_batches(spec, data)
  _check_schedules(spec, data)
  _check_layers(spec, data)


def _check_score_batches(spec: StudySpec, data: Mapping[str, Images]) -> None:
  """An epoch must have as many batches as scores ask for."""
  scored = any('data' in METHODS[name].uses for name in spec.methods)
  recipe = spec.recipe_for(spec.dataset)
  an_epoch = recipe.steps_per_epoch(data[spec.dataset].examples)
  if scored and spec.pruning.batches > an_epoch:
    raise ValueError(
      f'pruning.batches is {spec.pruning.batches}, but an epoch has {an_epoch} '
      'batches; give 0 for a whole epoch'
    )


def _check_schedules(spec: StudySpec, data: Mapping[str, Images]) -> None:
  """What changes masks in training must have the steps for it."""
  examples = data[spec.dataset].examples
  for name in spec.methods:
    method = METHODS[name]
    settings = method.dynamic_settings(spec.sparse)
    if settings is None:
      continue
    recipe = spec.recipe_for(spec.dataset)
    recipe = recipe.longer(method.times_at(min(spec.compare_levels)))
    an_epoch = recipe.steps_per_epoch(examples)
    try:
      DYNAMIC[method.dynamic].check(
        settings,
        recipe.rewind_point(examples),
        tuple(epoch * an_epoch for epoch in recipe.drop_epochs),
        recipe.total_steps(examples),
      )
    except ValueError as error:
      raise ValueError(f'method {name!r} {error}') from error


def _check_layers(spec: StudySpec, data: Mapping[str, Images]) -> None:
  """Dense layers must not have more weights than a method is to keep."""
  drawn = [
    name
    for name in spec.methods
    if (dynamic := METHODS[name].dynamic) and not DYNAMIC[dynamic].starts_dense
  ]
  home, _ = training_settings(spec, data)
  for target in spec.targets if drawn else ():
    network, levels = home.networks[target], max(spec.compare_levels)
    kept = kept_by_level(network, levels, spec.prune_fraction)
    try:
      kept_by_leaf(network, kept[-1], spec.sparse.distribution)
    except ValueError as error:
      raise ValueError(
        f'method {drawn[0]!r}, level {levels}: {error}; ask for fewer levels, '
        'or --config.sparse.distribution=erk'
      ) from error


def notes_on(spec: StudySpec, nodes: Mapping[str, Node]) -> Iterator[str]:
  """What may have been forgotten: drops of the learning rate, unused rules."""
  for name in (spec.dataset, *spec.source_datasets):
    recipe = spec.recipe_for(name)
    if recipe.late_drops:
      yield (
        f'NOTE training on {name} ends after {recipe.epochs} epochs, before '
        f'the learning rate drops at {recipe.late_drops}; see '
        '--config.recipe.drop_epochs'
      )
  transfers = [n.transfer for n in nodes.values() if isinstance(n, Derive)]
  steps = {step.label for one in transfers for step in one.steps}
  asked = set(itertools.chain(*spec.orders_of.values()))
  if spec.orders != StudySpec.orders:  # the default is not asked for
    asked.update(spec.orders)
  for rule in sorted(asked - steps) if steps else ():
    yield (
      f'NOTE orders: {rule!r} leads from no source to any target, so nothing '
      'is trained by it'
    )
