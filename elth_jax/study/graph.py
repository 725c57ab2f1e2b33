"""The graph of a study: what to train and make, and what depends on what.

Nodes are plain data, keyed by all that determines them, and listed so that
parents come first.
"""

import dataclasses
from collections.abc import Mapping

from elth_jax.datasets import Images
from elth_jax.methods import METHODS, Method, lottery
from elth_jax.names import slug
from elth_jax.study import analyses
from elth_jax.study.keys import earlier_keys, key_of
from elth_jax.study.known_names import check_names
from elth_jax.study.nodes import Node
from elth_jax.study.spec import StudySpec
from elth_jax.study.transfers import (
  TrainingSetting,
  Transfer,
  training_settings,
  transfers,
)


def build(spec: StudySpec, data: Mapping[str, Images]) -> dict[str, Node]:
  """All nodes of a study by name, parents first.

  Args:
    spec: what is asked for.
    data: name -> data set, for all that the spec names.

  Raises:
    ValueError: before anything runs: if a name or a network is unknown, no plan
      leads from a source to a target, or IMP would run out of weights.
  """
  check_names(spec)
  return _Builder(spec, data).build()


def check_score_batches(spec: StudySpec, data: Mapping[str, Images]) -> None:
  """Checks that an epoch has as many batches as scores ask for.

  Apart from `build`, since earlier versions took a whole epoch then.

  Raises:
    ValueError: if it has fewer, and a method scores on data.
  """
  scored = any('data' in METHODS[name].uses for name in spec.methods)
  recipe = spec.recipe_for(spec.dataset)
  an_epoch = recipe.steps_per_epoch(data[spec.dataset].examples)
  if scored and spec.pruning.batches > an_epoch:
    raise ValueError(
      f'pruning.batches is {spec.pruning.batches}, but an epoch has {an_epoch} '
      'batches; give 0 for a whole epoch'
    )


class _Builder:
  def __init__(self, spec: StudySpec, data: Mapping[str, Images]):
    self.spec = spec
    self.home, self.source_settings = training_settings(spec, data)
    self.networks = self.home.networks
    self.nodes: dict[str, Node] = {}
    self.runs: list[str] = []  # at compared levels, for analyses
    transforms = any(METHODS[name].from_source for name in spec.methods)
    self.transfers = transfers(
      spec, self.home, self.source_settings * transforms
    )

  def build(self) -> dict[str, Node]:
    spec = self.spec
    needed = {METHODS[name].needs for name in spec.methods}
    roles = {role for needs in needed for role in needs}
    top = spec.levels if 'imp' in spec.methods else max(spec.compare_levels)
    for replicate in range(spec.replicates):
      for network in self.networks:
        # -1 trains nothing
        levels = dict.fromkeys((self.home, *self.source_settings), -1)
        if network in spec.targets:
          levels[self.home] = top if 'imp' in roles else 0
        if network in spec.sources and 'source' in roles:
          for setting in self.source_settings:
            levels[setting] = max(levels[setting], *spec.compare_levels)
        for setting, last in levels.items():
          if last >= 0:
            self._imp(network, replicate, last, setting)
        for method in spec.methods if network in spec.targets else ():
          if METHODS[method].pruned_by not in ('', 'global'):
            self._imp(network, replicate, spec.levels, self.home, method)
      for target in spec.targets:
        for level in spec.compare_levels:
          self._compare(target, replicate, level)
    analyses.add(spec.analyses, self.nodes, self.runs, self._add)
    return self.nodes

  def _imp(
    self,
    network: str,
    replicate: int,
    levels: int,
    setting: TrainingSetting,
    method: str = 'imp',
  ) -> None:
    """The dense network and the levels of one kind of IMP on it."""
    scope = METHODS[method].pruned_by
    lottery.kept_by_level(
      setting.networks[network], levels, self.spec.prune_fraction
    )
    architecture = setting.networks[network]
    stem = f'{network}{setting.suffix}-r{replicate}'
    spec, seed = self.spec, self.spec.seed + replicate
    about = {'target': network, 'source': network, 'replicate': replicate}
    rewind = self._add(
      'rewind',
      f'{stem}-rewind',
      architecture,
      {
        'recipe': dataclasses.asdict(setting.recipe),
        **setting.data,
        'seed': seed,
        'start': 0,
        'stop': setting.recipe.rewind_point(setting.examples),
      },
      {},
      {**about, 'method': 'dense', 'level': 0},
    )
    ticket, trained = rewind, ''
    for level in range(levels + 1):
      name = f'{stem}-{slug(method)}-level{level:02}'
      if not level:
        name = f'{stem}-dense'
      else:
        ticket = self._add(
          'prune',
          f'{name}-ticket',
          architecture,
          {
            'fraction': spec.prune_fraction,
            'reference_count': spec.reference_count,
            **({} if scope == 'global' else {'scope': scope}),
          },
          {'rewind': rewind, 'previous': ticket, 'trained': trained},
          {**about, 'method': method, 'level': level},
        )
      shown = setting is self.home and network in spec.targets
      shown = shown and (not level or method in spec.methods)
      if level < levels or shown:
        trained = self._train(name, ticket, setting)
      if shown and level in spec.compare_levels:
        self.runs.append(trained)

  def _compare(self, target: str, replicate: int, level: int) -> None:
    """Every method but IMP on one target at one level."""
    for method in self.spec.methods:
      if METHODS[method].pruned_by:
        continue
      if not METHODS[method].from_source:
        own = Transfer(self.home, target, target, '')
        self._make(own, replicate, level, method)
        continue
      for transfer in self.transfers:
        if transfer.target == target:
          self._make(transfer, replicate, level, method)

  def _make(
    self, transfer: Transfer, replicate: int, level: int, method: str
  ) -> None:
    source, target, order = transfer.source, transfer.target, transfer.order
    suffix = transfer.setting.suffix
    origin = f'-{slug(transfer.shown)}-from-{source}{suffix}' if order else ''
    name = f'{target}-r{replicate}-{method}{origin}-level{level:02}'
    names = {
      'rewind': f'{target}-r{replicate}-rewind',
      'imp': f'{target}-r{replicate}-imp-level{level:02}-ticket',
      'source': f'{source}{suffix}-r{replicate}-imp-level{level:02}-ticket',
      'source_rewind': f'{source}{suffix}-r{replicate}-rewind',
    }
    options = {
      'data': {**self.home.data, 'batch_size': self.home.recipe.batch_size},
      'pruning': dataclasses.asdict(self.spec.pruning),
      'sparse': dataclasses.asdict(self.spec.sparse),
    }
    about = {
      'target': target,
      'source': source,
      'method': method,
      'order': transfer.shown,
      'level': level,
      'replicate': replicate,
      **transfer.setting.changes,
    }
    have, want = transfer.setting.networks[source], self.networks[target]
    if have.classes != want.classes:
      about['head'] = 'fresh'
    version = METHODS[method].version
    ticket = self._add(
      'make',
      f'{name}-ticket',
      self.networks[target],
      {
        'target': target,
        'method': method,
        'order': order,
        'level': level,
        'seed': self.spec.seed + replicate,
        **({'version': version} if version != 1 else {}),
        **({'width_rule': transfer.width_rule} if transfer.width_rule else {}),
        **{use: options[use] for use in METHODS[method].uses},
      },
      {role: names[role] for role in METHODS[method].needs},
      about,
    )
    self.runs.append(self._train(name, ticket, self.home, METHODS[method]))

  def _train(
    self,
    name: str,
    ticket: str,
    setting: TrainingSetting,
    method: Method = METHODS['imp'],
  ) -> str:
    made = self.nodes[ticket]
    recipe = setting.recipe.longer(method.times)
    dynamic = method.dynamic_settings(self.spec.sparse)
    about = dict(made.spec['about'])
    seed = self.spec.seed + about['replicate']
    return self._add(
      'train',
      name,
      made.architecture,
      {
        'recipe': dataclasses.asdict(recipe),
        **setting.data,
        **({'dynamic': dynamic} if dynamic else {}),
        'seed': seed,
        'start': setting.recipe.rewind_point(setting.examples),
        'stop': recipe.total_steps(setting.examples),
      },
      {'ticket': ticket},
      about,
    )

  def _add(self, kind, name, architecture, spec, parents, about) -> str:
    spec = {**spec, 'about': about}
    plain = architecture.to_json()
    nodes = {role: self.nodes[parent] for role, parent in parents.items()}
    keys = {role: node.key for role, node in nodes.items()}
    before = {role: node.earlier for role, node in nodes.items()}
    self.nodes[name] = Node(
      name,
      kind,
      architecture,
      spec,
      parents,
      key_of(kind, plain, spec, keys),
      earlier_keys(kind, plain, spec, before),
    )
    return name
