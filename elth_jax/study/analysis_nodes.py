"""The nodes that analyse what a study finds."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence

from elth_jax.study.nodes import (
  Connect,
  ConnectDynamic,
  MaskOverlap,
  Node,
  Subject,
  Train,
  Twin,
)
from elth_jax.study.spec import Analyses

OTHER_ORDER = 1_000_003  # added to a seed: an independent data order
DOUBLED = 'dense_doubled'  # what results call a dense network trained so
STATISTICS_VERSIONS = {'interpolated': 1, 'recomputed': 2}
Place = tuple[str, int, int]  # target, level, replicate
Add = Callable[[Node], Node]


def add(
  analyses: Analyses,
  runs: Sequence[Train],
  dense: Sequence[Train],
  add_node: Add,
) -> None:
  """Adds the analyses that a config asks for to a study's graph.

  Args:
    analyses: what is asked for.
    runs: the training runs at compared levels.
    dense: those of the targets' dense networks.
    add_node: takes a node, gives it its key, and returns it.
  """
  for run in runs:
    if run.subject.method in analyses.connectivity:
      _connect(analyses, run, add_node)
  if analyses.overlap:
    _overlaps(runs, add_node)
  if analyses.doubled:
    for run in dense:
      _double(run, add_node)


def _double(run: Train, add_node: Add) -> None:
  """A dense network trained twice as long, drops moved alike."""
  recipe = run.recipe.longer(2)
  add_node(
    dataclasses.replace(
      run,
      name=f'{run.name}_doubled',
      subject=dataclasses.replace(run.subject, method=DOUBLED),
      recipe=recipe,
      stop=recipe.total_steps(run.data.examples),
    )
  )


def _connect(analyses: Analyses, run: Train, add_node: Add) -> None:
  """A second training in another data order, and what lies between."""
  fields = {f.name: getattr(run, f.name) for f in dataclasses.fields(run)}
  fields |= {'name': f'{run.name}-twin', 'seed': run.seed + OTHER_ORDER}
  twin = add_node(Twin(**fields))
  kind = Connect if run.dynamic is None else ConnectDynamic
  add_node(
    kind(
      name=f'{run.name}-connectivity',
      architecture=run.architecture,
      parents={
        'one': run.name,
        'other': twin.name,
        'ticket': run.parents['ticket'],
      },
      subject=run.subject,
      points=analyses.points,
      statistics=analyses.statistics,
      statistics_version=STATISTICS_VERSIONS[analyses.statistics],
    )
  )


def _overlaps(runs: Sequence[Train], add_node: Add) -> None:
  """Each ticket against IMP's of its replicate, and IMP's among each other.

  IMP's are compared between replicates and between levels. A node for each
  pair, so that more replicates, levels or methods only add nodes.
  """
  imp = {
    _place(run.subject): run.parents['ticket']
    for run in runs
    if run.subject.method == 'imp'
  }
  for run in runs:
    if run.dynamic is not None:
      continue  # its ticket is not what it ends with
    for beside, ticket in _partners(run.subject, imp):
      add_node(
        MaskOverlap(
          name=f'{run.name}-overlap{beside}',
          architecture=run.architecture,
          parents={'imp': ticket, 'other': run.parents['ticket']},
          subject=run.subject,
        )
      )


def _place(subject: Subject) -> Place:
  return subject.target, subject.level, subject.replicate


def _partners(
  subject: Subject, imp: Mapping[Place, str]
) -> Iterator[tuple[str, str]]:
  """What tells them apart in a name, and IMP's tickets to compare with."""
  mine = _place(subject)
  for place, ticket in imp.items():
    target, level, replicate = place
    if target != mine[0]:
      continue
    if subject.method != 'imp':
      if place == mine:
        yield '', ticket
    elif level == mine[1] and replicate < mine[2]:
      yield f'-r{replicate}', ticket
    elif level < mine[1] and replicate == mine[2]:
      yield f'-level{level:02}', ticket
