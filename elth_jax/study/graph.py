"""The graph of a study: what to train and make, and what depends on what.

Nodes are plain data, keyed by all that determines them, and listed so that
parents come first.
"""

import dataclasses
import hashlib
import itertools
from collections.abc import Mapping
from typing import Any, TypeVar

from elth_jax.datasets import Images
from elth_jax.methods import METHODS, Method, lottery
from elth_jax.names import slug
from elth_jax.study import analysis_nodes
from elth_jax.study.keys import with_keys
from elth_jax.study.known_names import check_names
from elth_jax.study.nodes import (
  Derive,
  Node,
  Prune,
  Rewind,
  Subject,
  TicketNode,
  Train,
)
from elth_jax.study.settings import (
  PlannedTransfer,
  TrainingSetting,
  planned_transfers,
  training_settings,
)
from elth_jax.study.spec import StudySpec
from elth_jax.transfers import Transfer

ORDER_OF_A_LEVEL = 2_000_003  # added to a seed: an independent data order
Added = TypeVar('Added', bound=Node)


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


class _Builder:
  def __init__(self, spec: StudySpec, data: Mapping[str, Images]):
    self.spec = spec
    self.home, self.source_settings = training_settings(spec, data)
    self.nodes: dict[str, Node] = {}
    self.runs: list[Train] = []  # at compared levels, for analyses
    self.dense: list[Train] = []  # of targets, likewise
    self.transfers = {
      name: planned_transfers(spec, self.home, self.source_settings, name)
      for name in spec.methods
      if METHODS[name].from_source
    }
    # the first of those whose names are alike keeps its name
    self.named: dict[tuple[str, str], str] = {}
    for one in itertools.chain(*self.transfers.values()):
      self.named.setdefault((one.target, _origin(one)), one.transfer.label)

  def build(self) -> dict[str, Node]:
    spec = self.spec
    for replicate in range(spec.replicates):
      for network in self.home.networks:
        for setting, levels in self._levels(network).items():
          self._imp(network, replicate, levels, setting)
        for method in spec.methods if network in spec.targets else ():
          if method != 'imp' and METHODS[method].pruned_by:
            self._other_imp(network, replicate, method)
      for target in spec.targets:
        for level in spec.compare_levels:
          self._compare(target, replicate, level)
    analysis_nodes.add(spec.analyses, self.runs, self.dense, self._add)
    return self.nodes

  def _levels(self, network: str) -> dict[TrainingSetting, int]:
    """To which level IMP goes on a network, in each setting that needs it."""
    spec, compared = self.spec, max(self.spec.compare_levels)
    roles = {role for name in spec.methods for role in METHODS[name].needs}
    found: dict[TrainingSetting, int] = {}
    if network in spec.targets:
      top = spec.levels if 'imp' in spec.methods else compared
      found[self.home] = top if 'imp' in roles else 0
    if network in spec.sources and 'source' in roles:
      for setting in self.source_settings:
        found[setting] = max(found.get(setting, 0), compared)
    # the targets' setting comes first
    return dict(sorted(found.items(), key=lambda one: one[0] is not self.home))

  def _imp(
    self,
    network: str,
    replicate: int,
    levels: int,
    setting: TrainingSetting,
    method: str = 'imp',
  ) -> None:
    """The dense network and the levels of one kind of IMP on it."""
    late = METHODS[method].rewound_to != 'start'
    reset = '' if late else '-start'
    stem = f'{network}{setting.suffix}{reset}-r{replicate}'
    fraction = self.spec.prune_fraction
    lottery.kept_by_level(setting.networks[network], levels, fraction)
    compared = setting.origin == {} and network in self.spec.targets
    # the dense network of another reset is none to compare with
    first = _of_network(network, 'dense' if late else method, 0, replicate)
    rewind = self._rewind(f'{stem}-rewind', first, setting)
    ticket, name = rewind, f'{stem}-dense'
    for level in range(levels + 1):
      if level:
        previous, trained = ticket, name
        name = f'{stem}-{slug(method)}-level{level:02}'
        subject = _of_network(network, method, level, replicate)
        ticket = self._prune(name, subject, rewind, previous, trained, fraction)
      shown = compared and (not level or method in self.spec.methods)
      if level < levels or shown:
        run = self._train(name, ticket, setting)
        if shown and level in self.spec.compare_levels:
          self.runs.append(run)
        if shown and method == 'imp' and not level:
          self.dense.append(run)

  def _other_imp(self, network: str, replicate: int, name: str) -> None:
    """Another kind of IMP than `imp` on a target."""
    method, setting = METHODS[name], self.home
    if method.once:
      self._pruned_once(network, replicate, name)
      return
    if method.rewound_to == 'start':
      recipe = dataclasses.replace(
        setting.recipe, rewind_step=0, rewind_epochs=0
      )
      setting = dataclasses.replace(setting, recipe=recipe)
    self._imp(network, replicate, self.spec.levels, setting, name)

  def _pruned_once(self, network: str, replicate: int, method: str) -> None:
    """The trained dense network, pruned at once to each compared level."""
    spec, stem = self.spec, f'{network}-r{replicate}'
    rewind = self.nodes[f'{stem}-rewind']
    assert isinstance(rewind, Rewind)
    self._train(f'{stem}-dense', rewind, self.home)  # if nothing else does
    kept = lottery.kept_by_level(
      rewind.architecture, spec.levels, spec.prune_fraction
    )
    for level in spec.compare_levels:
      name = f'{stem}-{slug(method)}-level{level:02}'
      subject = _of_network(network, method, level, replicate)
      fraction = 1 - kept[level] / kept[0]
      ticket = self._prune(
        name, subject, rewind, rewind, f'{stem}-dense', fraction
      )
      self.runs.append(self._train(name, ticket, self.home))

  def _rewind(
    self, name: str, subject: Subject, setting: TrainingSetting
  ) -> Rewind:
    return self._add(
      Rewind(
        name=name,
        architecture=setting.networks[subject.target],
        parents={},
        subject=subject,
        recipe=setting.recipe,
        data=setting.data,
        seed=self.spec.seed + subject.replicate,
        start=0,
        stop=setting.rewind_point,
      )
    )

  def _prune(
    self,
    name: str,
    subject: Subject,
    rewind: Rewind,
    previous: TicketNode,
    trained: str,
    fraction: float,
  ) -> Prune:
    parents = {'previous': previous.name, 'trained': trained}
    method = METHODS[subject.method]
    return self._add(
      Prune(
        name=f'{name}-ticket',
        architecture=rewind.architecture,
        parents={'rewind': rewind.name, **parents},
        subject=subject,
        fraction=fraction,
        reference_count=self.spec.reference_count,
        scope=method.pruned_by or 'global',
        weights='trained' if method.rewound_to == 'trained' else 'rewound',
      )
    )

  def _compare(self, target: str, replicate: int, level: int) -> None:
    """Every method but IMP on one target at one level."""
    itself = PlannedTransfer(self.home, target, target, Transfer())
    for method in self.spec.methods:
      if METHODS[method].pruned_by:
        continue
      for one in self.transfers.get(method, [itself]):
        if one.target == target:
          self._derive(one, replicate, level, method)

  def _derive(
    self, planned: PlannedTransfer, replicate: int, level: int, name: str
  ) -> None:
    """One method's ticket for a target, and its training."""
    spec, method = self.spec, METHODS[name]
    source, target = planned.source, planned.target
    label, elsewhere = planned.transfer.label, planned.setting.suffix
    origin = _origin(planned)
    if self.named.get((target, origin), label) != label:
      # its rule differs from another one in punctuation alone
      origin += f'-{hashlib.sha256(label.encode()).hexdigest()[:6]}'
    run = f'{target}-r{replicate}-{name}{origin}-level{level:02}'
    places = {
      'rewind': f'{target}-r{replicate}-rewind',
      'imp': f'{target}-r{replicate}-imp-level{level:02}-ticket',
      'source': f'{source}{elsewhere}-r{replicate}-imp-level{level:02}-ticket',
      'source_rewind': f'{source}{elsewhere}-r{replicate}-rewind',
    }
    ticket = self._add(
      Derive(
        name=f'{run}-ticket',
        architecture=self.home.networks[target],
        parents={role: places[role] for role in method.needs},
        subject=Subject(
          target=target,
          source=source,
          method=name,
          level=level,
          replicate=replicate,
          order=label,
          origin=planned.setting.origin,
        ),
        method=name,
        method_version=method.version,
        transfer=planned.transfer,
        level=level,
        seed=spec.seed + replicate,
        **self._used(method),
      )
    )
    self.runs.append(self._train(run, ticket, self.home, method))

  def _train(
    self,
    name: str,
    ticket: TicketNode,
    setting: TrainingSetting,
    method: Method = METHODS['imp'],
  ) -> Train:
    subject = ticket.subject
    recipe = setting.recipe.longer(method.times_at(subject.level))
    seed = self.spec.seed + subject.replicate
    if self.spec.data_order == 'by_level':
      seed += subject.level * ORDER_OF_A_LEVEL
    return self._add(
      Train(
        name=name,
        architecture=ticket.architecture,
        parents={'ticket': ticket.name},
        subject=subject,
        recipe=recipe,
        data=setting.data,
        seed=seed,
        start=setting.rewind_point,
        stop=recipe.total_steps(setting.data.examples),
        dynamic=method.dynamic_settings(self.spec.sparse),
      )
    )

  def _used(self, method: Method) -> dict[str, Any]:
    """The options of a config that a method uses, as fields of `Derive`."""
    images = {'data': self.home.data, 'batch_size': self.home.recipe.batch_size}
    options = {
      'data': images,
      'pruning': {'pruning': self.spec.pruning},
      'sparse': {'sparse': self.spec.sparse},
    }
    return {
      name: value for use in method.uses for name, value in options[use].items()
    }

  def _add(self, node: Added) -> Added:
    """Adds a node with its key; the same one may be added again."""
    parents = {role: self.nodes[name] for role, name in node.parents.items()}
    keyed = with_keys(node, parents)
    if self.nodes.setdefault(node.name, keyed).key != keyed.key:
      raise ValueError(f'two nodes are called {node.name}, and they differ')
    return keyed


def _origin(planned: PlannedTransfer) -> str:
  """The part of names that says where a ticket comes from."""
  label = planned.transfer.label
  if not label:
    return ''
  return f'-{slug(label)}-from-{planned.source}{planned.setting.suffix}'


def _of_network(
  network: str, method: str, level: int, replicate: int
) -> Subject:
  """What nodes of a network are about that need no other one."""
  return Subject(
    target=network,
    source=network,
    method=method,
    level=level,
    replicate=replicate,
  )
