"""The nodes that analyse what a study finds."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from elth_jax.study.spec import Analyses

if TYPE_CHECKING:
  from elth_jax.study.graph import Node

OTHER_ORDER = 1_000_003  # added to a seed: an independent data order


def add(
  analyses: Analyses,
  nodes: Mapping[str, 'Node'],
  runs: Sequence[str],
  add_node: Callable[..., str],
) -> None:
  """Adds the analyses that a config asks for to a study's graph.

  Args:
    analyses: what is asked for.
    nodes: the study so far; grows.
    runs: the training runs at compared levels.
    add_node: (kind, name, network, spec, parents, about) -> name.
  """
  for name in runs:
    if nodes[name].spec['about']['method'] in analyses.connectivity:
      _connect(analyses, nodes[name], add_node)
  if analyses.overlap:
    _overlaps(nodes, runs, add_node)


def _connect(analyses: Analyses, run: 'Node', add_node) -> None:
  """A second training in another data order, and what lies between."""
  spec = {k: v for k, v in run.spec.items() if k != 'about'}
  twin = add_node(
    'twin',
    f'{run.name}-twin',
    run.architecture.name,
    {**spec, 'seed': spec['seed'] + OTHER_ORDER},
    run.parents,
    run.spec['about'],
  )
  add_node(
    'connect',
    f'{run.name}-connectivity',
    run.architecture.name,
    {'points': analyses.points, 'statistics': analyses.statistics},
    {'one': run.name, 'other': twin, 'ticket': run.parents['ticket']},
    run.spec['about'],
  )


def _overlaps(nodes, runs: Sequence[str], add_node) -> None:
  """Each ticket against IMP's of its replicate, and IMP's among each other.

  A node for each pair, so that more replicates or methods only add nodes.
  """
  tickets: dict[tuple[str, int], dict[int, str]] = {}
  for name in runs:
    about = nodes[name].spec['about']
    if about['method'] == 'imp':
      group = tickets.setdefault((about['target'], about['level']), {})
      group[about['replicate']] = nodes[name].parents['ticket']
  for name in runs:
    run, about = nodes[name], nodes[name].spec['about']
    if 'dynamic' in run.spec:
      continue  # its ticket is not what it ends with
    imp = tickets.get((about['target'], about['level']), {})
    for replicate, ticket in imp.items():
      earlier = about['method'] == 'imp' and replicate < about['replicate']
      if earlier or (
        about['method'] != 'imp' and replicate == about['replicate']
      ):
        beside = f'-r{replicate}' if earlier else ''
        add_node(
          'overlap',
          f'{name}-overlap{beside}',
          run.architecture.name,
          {},
          {'imp': ticket, 'other': run.parents['ticket']},
          about,
        )
