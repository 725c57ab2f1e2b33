"""results.csv: one row for each trained network."""

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any

from elth_jax.study.graph import Node
from elth_jax.study.store import Store

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
  'test_loss',
  'seed',
  'node',
  'key',
)


def row_of(node: Node, result: Mapping[str, Any]) -> dict[str, Any]:
  """The row of one finished training run."""
  about = node.spec['about']
  return {
    'dataset': node.spec['dataset'],
    **{name: about.get(name, '') for name in COLUMNS if name in about},
    'order': about.get('order', ''),
    'seed': node.spec['seed'],
    'node': node.name,
    'key': node.key[:16],
    **{name: result[name] for name in COLUMNS if name in result},
  }


def collect(nodes: Iterable[Node], store: Store) -> list[dict[str, Any]]:
  """The rows of all finished training runs, in the order of the graph.

  A run that diverged has no accuracy and no row.
  """
  rows = []
  for node in nodes:
    if node.kind == 'train' and store.finished(node):
      result = store.result(node)
      if result['diverged_at'] is None:
        rows.append(row_of(node, result))
  return rows


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
