"""What a start is refused for, though `build` takes it for earlier versions."""

from collections.abc import Iterator, Mapping

from elth_jax.datasets import Images
from elth_jax.dynamic import DYNAMIC
from elth_jax.methods import METHODS
from elth_jax.methods.dynamic_sparse import draws_masks, kept_by_leaf
from elth_jax.methods.lottery import kept_by_level
from elth_jax.study.nodes import Derive, Node, Train
from elth_jax.study.settings import training_settings
from elth_jax.study.spec import StudySpec
from elth_jax.transfers.depth import Depth
from elth_jax.transfers.step import read_rule
from elth_jax.transfers.width import Width


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
    start, stop = recipe.rewind_point(examples), recipe.total_steps(examples)
    drops = tuple(epoch * an_epoch for epoch in recipe.drop_epochs)
    try:
      DYNAMIC[method.dynamic].check(settings, start, drops, stop)
    except ValueError as error:
      raise ValueError(f'method {name!r} {error}') from error


def _check_layers(spec: StudySpec, data: Mapping[str, Images]) -> None:
  """Dense layers must not have more weights than a method is to keep."""
  drawn = [name for name in spec.methods if draws_masks(METHODS[name])]
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
  """What may have been forgotten, as drops of the rate or changes of masks."""
  for name in (spec.dataset, *spec.source_datasets):
    recipe = spec.recipe_for(name)
    if recipe.late_drops:
      yield (
        f'NOTE training on {name} ends after {recipe.epochs} epochs, before '
        f'the learning rate drops at {recipe.late_drops}; see '
        '--config.recipe.drop_epochs'
      )
  yield from dict.fromkeys(_notes_on_masks(nodes))
  transfers = [n.transfer for n in nodes.values() if isinstance(n, Derive)]
  used = {step.label for one in transfers for step in one.steps}
  for rule in dict.fromkeys(_rules_asked_for(spec)):
    # steps of other kinds may be labelled as they like
    if rule not in used and read_rule(rule)[0] in (Depth, Width):
      yield (
        f'NOTE orders: {rule!r} leads from no source to any target, so nothing '
        'is trained by it'
      )


def _notes_on_masks(nodes: Mapping[str, Node]) -> Iterator[str]:
  """What to know of each training that changes masks."""
  for node in nodes.values():
    if isinstance(node, Train) and node.dynamic is not None:
      note = DYNAMIC[str(node.dynamic['method'])].note
      if text := note(node.dynamic, node.start, node.stop):
        yield f'NOTE method {node.subject.method!r} {text}'


def _rules_asked_for(spec: StudySpec) -> Iterator[str]:
  """The rules of all methods that take tickets from a source."""
  for name in spec.methods:
    rules = spec.orders_of.get(name, spec.orders)
    if METHODS[name].from_source and rules != StudySpec.orders:  # the default
      yield from rules
