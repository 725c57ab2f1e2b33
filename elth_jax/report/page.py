"""Writes figures/ and the self-contained report.html of a study."""

import io
import json
import platform
import re
from collections.abc import Callable, Mapping, Sequence

import jax
import jinja2
import markupsafe
import matplotlib

from elth_jax import datasets
from elth_jax.families import pretty
from elth_jax.process.signals import StudyStopped
from elth_jax.process.text import counted
from elth_jax.reading import as_json
from elth_jax.report import comparison, measures, summary
from elth_jax.report.amortisation import amortise, training_times
from elth_jax.report.budget import gate
from elth_jax.report.figures import SVG_SETTINGS
from elth_jax.report.groups import NamedFigure, all_figures
from elth_jax.report.layers import layer_sparsities
from elth_jax.report.results import of_targets, with_seconds, without_result
from elth_jax.report.verdicts import beside, judge_all
from elth_jax.study.estimate import duration
from elth_jax.study.nodes import Connect, Node, Train
from elth_jax.study.scale import PAPER
from elth_jax.study.spec import StudySpec
from elth_jax.versions import versions
from elth_jax.workdir.store import Store


def write_report(
  store: Store,
  spec: StudySpec,
  nodes: Mapping[str, Node],
  rows: Sequence[summary.Row],
  failed: Mapping[str, str],
  notes: Sequence[str] = (),
  command: str = '',
  asked_to_stop: Callable[[], bool] = lambda: False,
) -> None:
  """Writes all figures as SVG and PNG, and one page that holds them.

  Args:
    store: the workdir, and where finished tickets are.
    spec: what was asked for.
    nodes: the study's graph.
    rows: the rows of results.csv.
    failed: name of a node -> why it failed.
    notes: what was damaged or has changed since the study began.
    command: how to run the study again, where there is a command.
    asked_to_stop: looked at before each figure.

  Raises:
    StudyStopped: if asked to stop; the next start writes the report.
  """
  found = summary.cells(rows, of_targets(without_result(nodes, failed), spec))
  timed = with_seconds(rows, nodes, store.metrics.seconds())
  seen = [
    *found,
    *measures.all_measures(found, rows, spec, timed),
    *measures.barriers(
      (node.subject.columns(), store.result(node)['barrier'])
      for node in nodes.values()
      if isinstance(node, Connect) and node.name not in failed
    ),
    *measures.layers(layer_sparsities(spec, nodes, store, failed)),
  ]
  groups = all_figures(spec, nodes, store, found, failed)
  drawn: dict[str, list] = {}
  for title, group in groups.items():
    drawn[title] = []
    for item in group:
      if asked_to_stop():
        raise StudyStopped
      drawn[title].append((item, _save(store, item)))
  environment = jinja2.Environment(
    loader=jinja2.PackageLoader('elth_jax.report', '.'), autoescape=True
  )
  page = environment.get_template('template.html').render(
    spec=spec,
    title=_title(spec),
    groups=drawn,
    tables=summary.tables(found),
    claims=comparison.claims(found),
    gate=gate(rows),
    judgements=judge_all(spec.paper, seen, spec.prune_fraction),
    published=beside(spec.paper.published, seen, spec.prune_fraction),
    failed=failed,
    notes=notes,
    collapsed=_collapsed(nodes, store, failed),
    costs=amortise(rows, max(spec.compare_levels)),
    times=training_times(timed, max(spec.compare_levels)),
    duration=duration,
    trained=counted(len(rows), 'trained network'),
    replicates=counted(spec.replicates, 'replicate'),
    spread=summary.spread,
    config=json.dumps(as_json(spec), indent=2),
    command=command
    or f"session.run(json.load(open('config.json')), '{store.root}')",
    versions=versions(),
    machine=f'{counted(jax.device_count(), f"{jax.default_backend()} device")}'
    f', {platform.machine()}, Python {platform.python_version()}',
    pretty=pretty,
    sparsity_note=comparison.sparsity_note,
    text=summary.text,
    with_sparsity=summary.text_with_sparsity,
  )
  store.write('report.html', page)


def _title(spec: StudySpec) -> str:
  if spec.paper.title:
    scale = 'at its scale' if spec.paper.scale == PAPER else spec.paper.scale
    return f'{spec.paper.title} ({scale})'
  sources = ', '.join(map(pretty, spec.sources))
  return f'Elastic tickets from {sources} on {datasets.pretty(spec.dataset)}'


def _collapsed(nodes, store: Store, failed) -> dict[str, list[str]]:
  """Runs in which a layer had no weights left, and which layers."""
  found = {
    name: store.result(node).get('collapsed')
    for name, node in nodes.items()
    if isinstance(node, Train) and name not in failed
  }
  return {name: layers for name, layers in found.items() if layers}


def _save(store: Store, item: NamedFigure) -> markupsafe.Markup:
  """Writes a figure in both formats; returns it as inline SVG."""
  svg, png = io.StringIO(), io.BytesIO()
  nothing = dict.fromkeys(('Creator', 'Date', 'Format', 'Type'))
  with matplotlib.rc_context(SVG_SETTINGS):
    item.figure.savefig(svg, format='svg', metadata=nothing)
  item.figure.savefig(png, format='png', dpi=160)
  store.write(f'figures/{item.name}.svg', svg.getvalue())
  store.write(f'figures/{item.name}.png', png.getvalue())
  text = svg.getvalue()
  inline = text[text.index('<svg') :]
  # ids are unique within one file only; colours start with # too
  inline = re.sub(r'(\bid="|href="#|url\(#)', rf'\g<1>{item.name}-', inline)
  return markupsafe.Markup(inline)
