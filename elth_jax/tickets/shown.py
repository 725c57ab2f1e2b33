"""A sparse network as a short text, and as a table for notebooks."""

import html

from elth_jax.elastic.layout import Layout
from elth_jax.elastic.sparsity import Count, predict
from elth_jax.families import Architecture
from elth_jax.masks import counts
from elth_jax.tickets.value import SparseNetwork


def summary(network: SparseNetwork) -> str:
  """`resnet20, cifar10, 89.26% sparse, level 10, rewound at step 1000`."""
  about = network.provenance
  parts = [str(network.architecture.get('name', 'network'))]
  if about.get('dataset'):
    parts.append(str(about['dataset']))
  parts.append(f'{network.sparsity:.2%} sparse')
  if about.get('level'):
    parts.append(f'level {about["level"]}')
  if network.state == 'trained':
    parts.append('trained')
    if about.get('test_accuracy') is not None:
      parts.append(f'test accuracy {about["test_accuracy"]:.2%}')
  elif 'rewind_step' in about:
    parts.append(f'rewound at step {about["rewind_step"]}')
  return ', '.join(parts)


def table(network: SparseNetwork) -> str:
  """HTML: how much of every stage is kept, with bars."""
  rows = _counts(network)
  lines = [_row(name, count) for name, count in rows.items() if count.total]
  return (
    f'<p>{html.escape(summary(network))}</p>'
    '<table><tr><th>stage</th><th>kept</th><th>of</th><th>density</th></tr>'
    f'{"".join(lines)}</table>'
  )


def _counts(network: SparseNetwork) -> dict[str, Count]:
  """By stage, elsewhere and of all; of all alone where no stage is known."""
  try:
    layout = Architecture.from_json(network.architecture).family.layout
  except ValueError:
    layout = Layout()
  try:
    found = predict(network.masks, None, layout)
  except ValueError:
    return {'all': Count(*counts(network.masks))}
  return {**found.stages, 'elsewhere': found.elsewhere, 'all': found.overall}


def _row(name: str, count: Count) -> str:
  density = count.kept / count.total
  bar = (
    '<div style="width:8em;background:#ddd">'
    f'<div style="width:{100 * density:.1f}%;background:#0072B2">&nbsp;</div>'
    '</div>'
  )
  return (
    f'<tr><td>{html.escape(name)}</td><td>{count.kept:,}</td>'
    f'<td>{count.total:,}</td><td>{bar}{density:.2%}</td></tr>'
  )
