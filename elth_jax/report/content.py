"""What a study's page says, as values for its template."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from elth_jax import datasets
from elth_jax.families import pretty
from elth_jax.methods import METHODS
from elth_jax.process.text import counted
from elth_jax.reading import as_json
from elth_jax.report import budget, comparison, heat, measures, summary
from elth_jax.report.accuracy_chart import NEAR, charts, has_few_bands
from elth_jax.report.amortisation import amortise, cost_name, training_times
from elth_jax.report.colours import on_dark
from elth_jax.report.dots import at_one_level
from elth_jax.report.headline import WORDS, Headline, headline
from elth_jax.report.layers import layer_sparsities
from elth_jax.report.provenance import Progress, facts
from elth_jax.report.results import with_seconds
from elth_jax.report.runs_table import anchors, trained_runs
from elth_jax.report.strips import Strips
from elth_jax.report.styles import Series, is_dense_at_level, series_of
from elth_jax.report.summary import Cell
from elth_jax.report.svg import mark, rounded
from elth_jax.report.verdicts import Judgement, beside, judge_all
from elth_jax.study.claims import Claim
from elth_jax.study.estimate import duration
from elth_jax.study.nodes import Connect, Node, Train
from elth_jax.study.scale import PAPER
from elth_jax.study.spec import StudySpec
from elth_jax.workdir.store import Store

RELOAD = 30  # seconds

VERDICTS = {name: name for name in WORDS}
Judged = Sequence[tuple[Claim, Judgement | None]]


def content(
  store: Store,
  spec: StudySpec,
  nodes: Mapping[str, Node],
  rows: Sequence[summary.Row],
  failed: Mapping[str, str],
  skipped: Mapping[str, str],
  found: Sequence[Cell],
  test_images: int = 0,
  lost: Sequence[summary.Row] = (),
) -> dict[str, Any]:
  """Everything that is no file: numbers, words and charts.

  Args:
    store: the workdir.
    spec: what was asked for.
    nodes: the study's graph.
    rows: the rows of results.csv.
    failed: name of a node -> why it failed.
    skipped: the same, and what is not done yet.
    found: the cells of the rows.
    test_images: how many there are; 0 if that is not known.
    lost: columns of results.csv of runs without a result.
  """
  lines = series_of(found)
  timed = with_seconds(rows, nodes, store.metrics.seconds())
  ids = anchors(found)
  level = max(spec.compare_levels)
  judged = _judged(store, spec, nodes, rows, skipped, found, timed, lost)
  head = headline(found, lines)
  return {
    'spec': spec,
    'title': title_of(spec),
    'trained': counted(len(rows), 'trained network'),
    'replicates': counted(spec.replicates, 'replicate'),
    'targets': [pretty(target) for target in spec.targets],
    'config': json.dumps(as_json(spec), indent=2),
    'facts': facts(store.root, spec, nodes, test_images, store.kernels),
    'sentences': [*head.sentences(), *_of_claims(judged, found, spec)],
    'image_worth': image_worth(test_images),
    'budget': budget.sentences(found, budget.gate(rows, test_images)),
    'judgements': [(claim, one) for claim, one in judged if one],
    'untested': [claim for claim, one in judged if not one],
    'published': beside(spec.paper.published, found, spec.prune_fraction),
    'claims': comparison.claims(found),
    'tables': summary.tables(found),
    'collapsed': _collapsed(nodes, store, skipped),
    'costs': amortise([*rows, *lost], level),
    'times': training_times([*timed, *lost], level),
    'runs': trained_runs(rows, nodes, lines, ids),
    'series': list({s.number: s for s in lines.values()}.values()),
    'by_label': lines,
    'methods': METHODS,
    'cost_name': lambda cost: cost_name(cost, found, lines),
    **_headline(head),
    **_accuracy(spec, found, lines, ids),
    **_matrix(found),
    **_progress(nodes, failed, skipped),
    **_words(),
  }


def title_of(spec: StudySpec) -> str:
  """The paper's figure, or the networks and the data set."""
  if spec.paper.title:
    scale = 'at its scale' if spec.paper.scale == PAPER else spec.paper.scale
    return f'{spec.paper.title} ({scale})'
  sources = ', '.join(map(pretty, spec.sources))
  return f'Elastic tickets from {sources} on {datasets.pretty(spec.dataset)}'


def image_worth(test_images: int) -> str:
  """What one test image is worth, in words; empty if nobody knows."""
  if not test_images:
    return ''
  return (
    f'There are {test_images:,} test images, so one image is worth '
    f'{100 / test_images:.2g} points of accuracy.'
  )


def _judged(store, spec, nodes, rows, skipped, found, timed, lost) -> Judged:
  """The paper's claims, tested on all that was measured."""
  if not spec.paper.claims:
    return []
  seen = [
    *found,
    *measures.all_measures(found, rows, spec, timed, lost),
    *measures.barriers(
      (node.subject.columns(), store.result(node)['barrier'])
      for node in nodes.values()
      if isinstance(node, Connect) and node.name not in skipped
    ),
    *measures.layers(layer_sparsities(spec, nodes, store, skipped)),
  ]
  return judge_all(spec.paper, seen, spec.prune_fraction)


def _of_claims(
  judged: Judged, found: Sequence[Cell], spec: StudySpec
) -> list[str]:
  """How many claims are supported, in a sentence."""
  if spec.replicates == 1:
    return []
  verdicts = [one.verdict for _, one in judged if one]
  what, names = 'claims of the paper tested here', VERDICTS
  if not judged:
    pairs = comparison.claims(found)
    verdicts = [pair.verdict for pair in pairs]
    against = ', '.join(dict.fromkeys(pair.worse.label for pair in pairs))
    what, names = f'comparisons of IMP and ETT with {against}', WORDS
  if not verdicts:
    return []
  counts = ', '.join(
    f'{verdicts.count(verdict)} {word}' for verdict, word in names.items()
  )
  return [f'Of {len(verdicts)} {what}: {counts}.']


def _headline(head: Headline) -> dict[str, Any]:
  """The first figure."""
  pairs = head.pairs
  low, high = rounded(*_ends(head))
  return {
    'head': head,
    'pairs': pairs,
    'strips': Strips(low, high, (0.0,)),
    'words': WORDS,
    'same_sparsity': lambda pair: (
      abs(pair.better.sparsity - pair.worse.sparsity)
      <= comparison.SAME_SPARSITY
    ),
  }


def _ends(head: Headline) -> tuple[float, float]:
  """Of the axis: all means, and bars unless they are much wider than most."""
  margins = [head.margin(pair) for _, pair in head.pairs]
  known = [margin for margin in margins if math.isfinite(margin)]
  most = 2 * float(np.median(known)) if known else 0.0
  ends = [0.0]
  for _, pair in head.pairs:
    margin = min(head.margin(pair), most)
    ends += [100 * pair.difference - margin, 100 * pair.difference + margin]
  return min(ends), max(ends)


def _accuracy(
  spec: StudySpec,
  found: Sequence[Cell],
  lines: Mapping[str, Series],
  ids: Mapping[tuple[str, str, int], str],
) -> dict[str, Any]:
  """Charts of lines, or rows where one level alone is compared."""

  def anchor(cell: Cell) -> str:
    return ids.get((cell.target, cell.label, cell.level), '')

  alive = [cell for cell in found if cell.accuracy]
  targets = [t for t in spec.targets if any(c.target == t for c in alive)]
  numbers = beside(spec.paper.published, alive, spec.prune_fraction)
  order = list(dict.fromkeys([*targets, *(c.target for c in alive)]))
  flat = at_one_level(alive)
  shown = flat or alive
  low, high = rounded(
    min((100 * min(c.accuracy.values()) for c in shown), default=0),
    max((100 * max(c.accuracy.values()) for c in shown), default=100),
  )
  lasting = {lines[c.label].name for c in alive if is_dense_at_level(c)}
  return {
    'charts': [] if flat else charts(targets, alive, lines, anchor, numbers),
    # an axis has a length, where all are at 0% or 100% too
    'dots': Strips(min(max(low, 0), 99), max(min(high, 100), 1))
    if flat
    else None,
    'found': sorted(shown, key=lambda cell: order.index(cell.target)),
    'levels_left_out': len(shown) < len(alive),
    'anchor': anchor,
    'near': round(NEAR),
    'rings': not flat and any(cell for _, cell in numbers),
    'few_bands': not flat and has_few_bands(alive, lines),
    'dense_at_level': sorted(lasting),
    'percents': lambda cell: [100 * value for value in cell.accuracy.values()],
  }


def _matrix(found: Sequence[Cell]) -> dict[str, Any]:
  """Elastic tickets against IMP, source by target."""
  matrix = comparison.transfers(found)
  sources, targets = (
    sorted({pair[side] for pair in matrix}, key=lambda name: (len(name), name))
    for side in (0, 1)
  )
  most = heat.limit(matrix)
  return {
    'matrix': matrix,
    'matrix_sources': sources,
    'matrix_targets': targets,
    'matrix_level': next((p.better.level for p in matrix.values()), 0),
    'heat_limit': most,
    'heat': lambda pair: heat.colour(heat.strength(pair, most)),
  }


def _progress(
  nodes: Mapping[str, Node],
  failed: Mapping[str, str],
  skipped: Mapping[str, str],
) -> dict[str, Any]:
  """How much is done; failed nodes count, since nothing is left to do there."""
  left = skipped.keys() - failed.keys()
  runs = [name for name, node in nodes.items() if isinstance(node, Train)]
  trained = sum(name not in left for name in runs)
  return {
    'unfinished': bool(left),
    'progress': Progress(
      len(nodes) - len(left), len(nodes), trained, len(runs)
    ),
    'reload_seconds': RELOAD,
  }


def _words() -> dict[str, Any]:
  """What the template needs to write numbers and names."""
  return {
    'counted': counted,
    'duration': duration,
    'mark': mark,
    'on_dark': on_dark,
    'pretty': pretty,
    'signed': lambda points: f'{points:+.2f}'.replace('-', '\N{MINUS SIGN}'),
    'sparsity_note': comparison.sparsity_note,
    'spread': summary.spread,
    'text': summary.text,
    'with_sparsity': summary.text_with_sparsity,
  }


def _collapsed(
  nodes: Mapping[str, Node], store: Store, skipped: Mapping[str, str]
) -> dict[str, list[str]]:
  """Runs in which a layer had no weights left, and which layers."""
  found = {
    name: store.result(node).get('collapsed')
    for name, node in nodes.items()
    if isinstance(node, Train) and name not in skipped
  }
  return {name: layers for name, layers in found.items() if layers}
