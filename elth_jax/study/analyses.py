"""The nodes that analyse what a study finds."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from elth_jax.study.nodes import Node
from elth_jax.study.spec import Analyses

OTHER_ORDER = 1_000_003  # added to a seed: an independent data order


def add(
  analyses: Analyses,
  nodes: Mapping[str, Node],
  runs: Sequence[str],
  add_node: Callable[..., str],
) -> None:
  """Adds the analyses that a config asks for to a study's graph.

  Args:
    analyses: what is asked for.
    nodes: the study so far; grows.
    runs: the training runs at compared levels.
    add_node: (kind, name, architecture, spec, parents, about) -> name.
  """
  for name in runs:
    if nodes[name].spec['about']['method'] in analyses.connectivity:
      _connect(analyses, nodes[name], add_node)
  if analyses.overlap:
    _overlaps(nodes, runs, add_node)


def _connect(analyses: Analyses, run: Node, add_node) -> None:
  """A second training in another data order, and what lies between."""
  spec = {k: v for k, v in run.spec.items() if k != 'about'}
  twin = add_node(
    'twin',
    f'{run.name}-twin',
    run.architecture,
    {**spec, 'seed': spec['seed'] + OTHER_ORDER},
    run.parents,
    run.spec['about'],
  )
  add_node(
    'connect',
    f'{run.name}-connectivity',
    run.architecture,
    {'points': analyses.points, 'statistics': analyses.statistics},
    {'one': run.name, 'other': twin, 'ticket': run.parents['ticket']},
    run.spec['about'],
  )


def _overlaps(nodes, runs: Sequence[str], add_node) -> None:
  """Each ticket against IMP's of its replicate, and IMP's among each other.

  IMP's are compared between replicates and between levels. A node for each
  pair, so that more replicates, levels or methods only add nodes.
  """
  imp: dict[tuple[str, int, int], str] = {}
  for name in runs:
    about = nodes[name].spec['about']
    if about['method'] == 'imp':
      place = about['target'], about['level'], about['replicate']
      imp[place] = nodes[name].parents['ticket']
  for name in runs:
    run = nodes[name]
    if 'dynamic' in run.spec:
      continue  # its ticket is not what it ends with
    for beside, ticket in _partners(run.spec['about'], imp):
      add_node(
        'overlap',
        f'{name}-overlap{beside}',
        run.architecture,
        {},
        {'imp': ticket, 'other': run.parents['ticket']},
        run.spec['about'],
      )


def _partners(about, imp) -> Iterator[tuple[str, str]]:
  """What tells them apart in a name, and IMP's tickets to compare with."""
  mine = about['target'], about['level'], about['replicate']
  for place, ticket in imp.items():
    target, level, replicate = place
    if target != mine[0]:
      continue
    if about['method'] != 'imp':
      if place == mine:
        yield '', ticket
    elif level == mine[1] and replicate < mine[2]:
      yield f'-r{replicate}', ticket
    elif level < mine[1] and replicate == mine[2]:
      yield f'-level{level:02}', ticket
