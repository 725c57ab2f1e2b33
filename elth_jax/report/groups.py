"""The figures of a study, in groups, from what its nodes left behind."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

from matplotlib.figure import Figure

from elth_jax.families import pretty
from elth_jax.masks import layer_densities
from elth_jax.methods import METHODS
from elth_jax.names import slug
from elth_jax.report import analysis_figures, comparison, figures, summary
from elth_jax.report.headline import headline
from elth_jax.report.styles import series_of
from elth_jax.report.verdicts import beside
from elth_jax.study.nodes import (
  Connect,
  Derive,
  MaskOverlap,
  Node,
  Prune,
  TicketNode,
)
from elth_jax.study.spec import StudySpec
from elth_jax.tickets import drawing
from elth_jax.transfers import in_words
from elth_jax.workdir.store import Store


@dataclasses.dataclass(frozen=True)
class NamedFigure:
  """A figure, its file name without ending, and its caption."""

  name: str
  figure: Figure
  caption: str


def all_figures(
  spec: StudySpec,
  nodes: Mapping[str, Node],
  store: Store,
  found: Sequence[summary.Cell],
  failed: Mapping[str, str],
) -> dict[str, Iterator[NamedFigure]]:
  """Title of a group -> its figures, drawn when they are asked for.

  Args:
    spec: what was asked for.
    nodes: the study's graph.
    store: where finished nodes are.
    found: what was trained.
    failed: name of a node -> why it failed.
  """
  found = [cell for cell in found if cell.accuracy]  # not all diverged
  return {
    'Accuracy against sparsity': _accuracies(spec, found),
    'Elastic tickets against IMP': _differences(spec, found),
    'The transformations': _transformations(nodes, store, failed),
    'Sparsity by layer': _layers(nodes, store, failed),
    'Between two trainings of one ticket': _connectivity(
      spec, nodes, store, found, failed
    ),
    'Masks compared': _overlaps(spec, nodes, store, failed),
  }


def _accuracies(spec, found) -> Iterator[NamedFigure]:
  targets = [t for t in spec.targets if any(cell.target == t for cell in found)]
  shown = [(f'accuracy_{target}', [target]) for target in targets]
  if len(targets) > 1:
    shown.insert(0, ('accuracy', targets))
  numbers = beside(spec.paper.published, found, spec.prune_fraction)
  for name, some in shown:
    yield NamedFigure(
      name,
      figures.accuracy(some, found, numbers),
      f'{", ".join(map(pretty, some))}: test accuracy of the last epoch. '
      + _averaged(
        spec,
        f'Mean over {spec.replicates} replicates, band or bar of one standard '
        'deviation.',
      )
      + (' Rings are published.' if any(c for _, c in numbers) else ''),
    )


def _differences(spec, found) -> Iterator[NamedFigure]:
  series = series_of(found)
  head = headline(found, series)
  if head.arms:
    yield NamedFigure(
      'difference',
      analysis_figures.difference(head, series),
      'Difference in test accuracy, in points. '
      + _averaged(
        spec, 'Mean over replicates, with intervals of 95% for all together.'
      ),
    )
  matrix = comparison.transfers(found)
  if len(matrix) > 1:
    level = next(iter(matrix.values())).better.level
    yield NamedFigure(
      'transfer_matrix',
      analysis_figures.transfer(matrix),
      'Test accuracy of elastic tickets minus that of the one which IMP found '
      f'in the network itself, in points, at level {level}. '
      + _averaged(
        spec, "Mean over replicates, with a 95% interval of Student's t."
      ),
    )


def _averaged(spec: StudySpec, text: str) -> str:
  """The end of a caption: how replicates were averaged, if there are any."""
  return text if spec.replicates > 1 else 'One replicate.'


def _transfers(nodes: Mapping[str, Node]) -> list[Derive]:
  """One ticket a source, target and rule: first replicate, top level.

  ETT's, where it is among the methods that take tickets from a source.
  Tickets of one network that were found on two data sets are two sources.
  """
  made = [
    node
    for node in nodes.values()
    if isinstance(node, Derive)
    and node.transfer.steps
    and node.subject.replicate == 0
  ]
  made.sort(key=lambda node: (node.method == 'ett', node.level))
  return list(
    {
      (one.source, one.target, one.order, *one.origin.items()): node
      for node in made
      if (one := node.subject)
    }.values()
  )


def _place(node: Derive) -> tuple[str, str]:
  """The source of a ticket, and how else it was found, in words."""
  return node.subject.source, in_words(node.subject.columns())


def _transformations(nodes, store: Store, failed) -> Iterator[NamedFigure]:
  """The steps that can be drawn, each once."""
  drawn = set()
  for node in _transfers(nodes):
    if node.name in failed:
      continue
    parent = nodes[node.parents['source']]
    source = parent.architecture
    transfer = node.transfer.settled(store.ticket(parent), node.seed)
    for step, network in transfer.walk(source):
      found = step.figure(network, store.ticket(node))
      if found is None or (network, step) in drawn:
        continue
      drawn.add((network, step))
      target = step.predict(network).name
      rule = slug(step.label or node.subject.order)
      figure, caption = found
      name = f'transformation_{source.name}_to_{target}_{rule}'
      yield NamedFigure(name, figure, caption)


def _connectivity(
  spec, nodes, store: Store, found, failed
) -> Iterator[NamedFigure]:
  groups: dict[tuple[str, int], dict[str, list[list[float]]]] = {}
  series, ways = series_of(found), set()
  methods = {line.name: line.method for line in series.values()}
  for node in nodes.values():
    if isinstance(node, Connect) and node.name not in failed:
      about, result = node.subject, store.result(node)
      label = summary.label_of(about.columns())
      label = series[label].name if label in series else label
      lines = groups.setdefault((about.target, about.level), {})
      lines.setdefault(label, []).append(result['accuracy'])
      methods.setdefault(label, about.method)
      ways.add(result['statistics'])
  for (target, level), lines in groups.items():
    yield NamedFigure(
      f'connectivity_{target}_level{level:02}',
      analysis_figures.connectivity(target, level, lines, methods),
      f'{pretty(target)}: test accuracy on the straight line between two '
      'trainings of one ticket that differ in data order and augmentation '
      f'alone; BN statistics {" and ".join(sorted(ways))}. '
      + _averaged(
        spec, 'Mean over replicates, band of one standard deviation.'
      ),
    )


def _overlaps(spec, nodes, store: Store, failed) -> Iterator[NamedFigure]:
  found: dict[str, dict[int, dict[str, list[float]]]] = {}
  last: dict[str, tuple[int, dict]] = {}
  for node in nodes.values():
    if isinstance(node, MaskOverlap) and node.name not in failed:
      about, result = node.subject, store.result(node)
      target, level = about.target, about.level
      values = found.setdefault(target, {}).setdefault(level, {})
      partner = nodes[node.parents['imp']].subject
      if about.method != 'imp':
        label = summary.label_of(about.columns())
      elif partner.level != level:
        label = f'IMP, level {partner.level}'
      else:
        label = 'IMP, another replicate'
      values.setdefault(label, []).append(result['corrected'])
      last[target] = partner.level, result['units']
  for target, levels in found.items():
    yield NamedFigure(
      f'overlap_{target}',
      analysis_figures.overlap(target, levels),
      f'{pretty(target)}: intersection over union with the masks that IMP '
      'found, corrected for what masks of the same density in every layer '
      'share by chance. ' + _averaged(spec, 'Mean over replicates.'),
    )
    level, units = last[target]
    yield NamedFigure(
      f'units_{target}',
      analysis_figures.units(target, level, units),
      f'{pretty(target)}: the same overlap between every two units of a stage '
      'within one ticket of IMP.',
    )


def _layers(nodes, store: Store, failed) -> Iterator[NamedFigure]:
  """Layer-wise sparsity at the highest level, of what was transformed.

  Of IMP's own tickets, where nothing was.
  """
  moved = [node for node in _transfers(nodes) if node.name not in failed]
  for source, where in dict.fromkeys(map(_place, moved)):
    found: dict[str, TicketNode] = {}
    name = pretty(source) + where
    for node in moved:
      about = node.subject
      if _place(node) == (source, where):
        parent = nodes[node.parents['source']]
        found.setdefault(f'{name}, found by IMP', parent)
        by = METHODS[node.method].label
        found[f'{pretty(about.target)}, by {by} ({about.order})'] = node
    yield _layer_figure(
      store,
      f'{source}_{slug(where)}' if where else source,
      found,
      f'the ticket of {name} and of what is made of it',
    )
  if moved:
    return
  pruned: dict[str, dict[str, TicketNode]] = {}
  for node in nodes.values():  # the last level stays
    about = node.subject
    if isinstance(node, Prune) and not about.replicate:
      tickets = pruned.setdefault(about.target, {})
      tickets[summary.label_of(about.columns())] = node
  for target, found in pruned.items():
    left = {name: n for name, n in found.items() if n.name not in failed}
    if left:
      yield _layer_figure(store, target, left, f'tickets of {pretty(target)}')


def _layer_figure(
  store: Store, network: str, found: Mapping[str, Node], of: str
) -> NamedFigure:
  tickets = {name: store.ticket(node) for name, node in found.items()}
  level = next(iter(found.values())).subject.level
  return NamedFigure(
    f'layer_sparsity_{network}',
    drawing.layer_sparsity(
      {
        f'{name}: {ticket.sparsity:.2%} in all': layer_densities(
          drawing.in_network_order(ticket.masks)
        )
        for name, ticket in tickets.items()
      },
      f'Level {level}, first replicate',
    ),
    f'Sparsity of every prunable layer of {of}. Below, stage and unit.',
  )
