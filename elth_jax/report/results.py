"""results.csv: one row for each trained network."""

import csv
import io
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from elth_jax.families import architecture
from elth_jax.methods import METHODS
from elth_jax.nn.cost import train_flops
from elth_jax.study.nodes import Derive, Node, Run, Train
from elth_jax.study.spec import StudySpec
from elth_jax.workdir.store import Store

COLUMNS = (
  'dataset',
  'source',
  'target',
  'method',
  'order',
  'level',
  'replicate',
  'sparsity',
  'test_accuracy',
  'steps',
  'train_flops',
  'search_flops',
  'source_dataset',
  'source_optimizer',
  'source_width',
  'optimizer',
  'width',
  'test_loss',
  'seed',
  'node',
  'key',
  'diverged_at',
)


def row_of(node: Run, result: Mapping[str, Any]) -> dict[str, Any]:
  """The row of one training run.

  Args:
    node: the run.
    result: what it ended in; empty if it has not. A run that diverged has the
      step at which it did in place of an accuracy.
  """
  diverged_at = result.get('diverged_at')
  if diverged_at is not None:
    result = {**result, 'test_accuracy': '', 'test_loss': ''}
  about = node.subject.columns()
  return {
    'dataset': node.data.dataset,
    'source_dataset': '',
    'source_optimizer': '',
    'source_width': '',
    **{name: about[name] for name in COLUMNS if name in about},
    'optimizer': node.recipe.optimizer,
    'width': node.architecture.width,
    'seed': node.seed,
    'node': node.name,
    'key': node.key[:16],
    **{name: result[name] for name in COLUMNS if name in result},
    'diverged_at': '' if diverged_at is None else diverged_at,
  }


def collect(
  nodes: Mapping[str, Node], store: Store, done: Collection[str]
) -> list[dict[str, Any]]:
  """The rows of all finished training runs, in the order of the graph."""
  runs = {
    name: node
    for name, node in nodes.items()
    if isinstance(node, Train) and name in done
  }
  results = {name: store.result(node) for name, node in runs.items()}
  spent = {name: found['train_flops'] for name, found in results.items()}
  return [
    {
      **row_of(runs[name], result),
      'search_flops': search_flops(name, nodes, spent),
    }
    for name, result in results.items()
  ]


def with_accuracy(
  rows: Iterable[Mapping[str, Any]],
) -> list[Mapping[str, Any]]:
  """The rows of runs that did not diverge."""
  return [row for row in rows if row['diverged_at'] == '']


def without_result(
  nodes: Mapping[str, Node], failed: Collection[str]
) -> list[dict[str, Any]]:
  """Columns of training runs that diverged, or needed one that did.

  Args:
    nodes: the study.
    failed: names of nodes that failed.
  """
  return [
    row_of(node, {})
    for name, node in nodes.items()
    if isinstance(node, Train) and name in failed
  ]


def of_targets(
  rows: Iterable[Mapping[str, Any]], spec: StudySpec
) -> list[Mapping[str, Any]]:
  """The rows of what a study compares.

  Not of sources trained otherwise, nor of a target's own IMP where that only
  served as a source.
  """
  unasked = {'imp'} - set(spec.methods)
  optimizer = spec.recipe_for(spec.dataset).optimizer
  return [
    row
    for row in rows
    if (row['dataset'], row['optimizer']) == (spec.dataset, optimizer)
    and row['width'] == (spec.width or architecture(row['target']).width)
    and not (row['method'] in unasked and row['target'] in spec.targets)
  ]


def search_flops(
  name: str, nodes: Mapping[str, Node], spent: Mapping[str, float]
) -> float:
  """What it took to find the ticket that a run trains; see `search_of`.

  Args:
    name: of the run.
    nodes: the study.
    spent: training FLOPs of finished runs, by name.
  """
  return sum(
    spent[parent.name] if parent.name in spent else _dense_flops(parent)
    for parent in search_of(name, nodes)
  )


def search_of(name: str, nodes: Mapping[str, Node]) -> list[Run]:
  """All trainings that a run's ticket was made from, each once.

  The rewind steps are included; trainings whose tickets a method only counts
  are not.
  """
  found: set[str] = set()

  def visit(child: Node) -> None:
    free: tuple[str, ...] = ()
    if isinstance(child, Derive):
      free = METHODS[child.method].count_only
    for role, parent in child.parents.items():
      if role not in free and parent not in found:
        found.add(parent)
        visit(nodes[parent])

  visit(nodes[name])
  parents = [nodes[name] for name in sorted(found)]
  return [parent for parent in parents if isinstance(parent, Run)]


def with_seconds(
  rows: Iterable[Mapping[str, Any]],
  nodes: Mapping[str, Node],
  seconds: Mapping[str, float],
) -> list[dict[str, Any]]:
  """Rows with `train_seconds` and `search_seconds`, where both are known.

  Args:
    rows: of results.csv.
    nodes: the study.
    seconds: of the machine, by run; see `Metrics.seconds`.
  """
  timed = []
  for row in rows:
    if row['node'] not in nodes:  # of an earlier config
      continue
    search = [node.name for node in search_of(row['node'], nodes)]
    if all(name in seconds for name in (row['node'], *search)):
      spent = sum(seconds[name] for name in search)
      times = {'train_seconds': seconds[row['node']], 'search_seconds': spent}
      timed.append({**row, **times})
  return timed


def _dense_flops(node: Run) -> float:
  """Training FLOPs of a dense run to the rewind point."""
  multiply_adds = node.architecture.multiply_adds()
  return train_flops(multiply_adds, {}, round(node.images))


def to_csv(rows: Iterable[Mapping[str, Any]]) -> str:
  """The rows as text; the same rows always give the same bytes."""
  text = io.StringIO()
  writer = csv.DictWriter(text, COLUMNS, lineterminator='\n')
  writer.writeheader()
  for row in rows:
    writer.writerow(
      {
        name: f'{row[name]:.10g}' if isinstance(row[name], float) else row[name]
        for name in COLUMNS
      }
    )
  return text.getvalue()
