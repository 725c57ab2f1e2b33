"""Writes figures/ and the self-contained report.html of a study."""

import dataclasses
import io
import json
import platform
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

import jax
import jinja2
import markupsafe
from matplotlib.figure import Figure

from elth_jax.claims import Published
from elth_jax.elastic.plan import Plan
from elth_jax.masks import layer_densities
from elth_jax.methods import METHODS
from elth_jax.names import slug
from elth_jax.report import analyses, figures, summary
from elth_jax.report.amortisation import amortise, training_times
from elth_jax.report.summary import pretty
from elth_jax.report.verdicts import beside, judge_all
from elth_jax.study.estimate import duration
from elth_jax.study.graph import Node
from elth_jax.study.results import with_seconds
from elth_jax.study.scale import PAPER
from elth_jax.study.spec import StudySpec
from elth_jax.study.store import Store
from elth_jax.study.watch import StudyStopped
from elth_jax.ticket import Ticket
from elth_jax.versions import versions


@dataclasses.dataclass(frozen=True)
class NamedFigure:
  """A figure, its file name without ending, and its caption."""

  name: str
  figure: Figure
  caption: str


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
  found = summary.cells(rows)
  judgements = judge_all(spec.paper, found)
  groups = {
    'Accuracy against sparsity': _accuracies(spec, found),
    'Elastic tickets against IMP': _transfer_matrix(found),
    'The transformations': _transformations(nodes, store, failed),
    'Sparsity by layer': _layers(nodes, store, failed),
    'Between two trainings of one ticket': _connectivity(nodes, store, failed),
    'Masks compared': _overlaps(nodes, store, failed),
  }
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
    claims=summary.claims(found),
    judgements=judgements,
    published=beside(map(Published.parse, spec.paper.published), found),
    failed=failed,
    notes=notes,
    collapsed=_collapsed(nodes, store, failed),
    costs=amortise(rows, max(spec.compare_levels)),
    times=training_times(
      with_seconds(rows, nodes, store.seconds()), max(spec.compare_levels)
    ),
    duration=duration,
    runs=len(rows),
    config=json.dumps(dataclasses.asdict(spec), indent=2),
    command=command
    or f"session.run(json.load(open('config.json')), '{store.root}')",
    versions=versions(),
    machine=f'{jax.device_count()} {jax.default_backend()} device(s), '
    f'{platform.machine()}, Python {platform.python_version()}',
    pretty=pretty,
    moved={name for name, m in METHODS.items() if m.from_source},
    text=summary.text,
  )
  store.write('report.html', page)


def _title(spec: StudySpec) -> str:
  if spec.paper.title:
    scale = 'at its scale' if spec.paper.scale == PAPER else spec.paper.scale
    return f'{spec.paper.title} ({scale})'
  sources = ', '.join(map(pretty, spec.sources))
  return f'Elastic tickets from {sources} on {spec.dataset}'


def _accuracies(spec, found) -> Iterator[NamedFigure]:
  targets = [t for t in spec.targets if any(cell.target == t for cell in found)]
  shown = [(f'accuracy_{target}', [target]) for target in targets]
  if len(targets) > 1:
    shown.insert(0, ('accuracy', targets))
  for name, some in shown:
    yield NamedFigure(
      name,
      figures.accuracy(some, found),
      f'{", ".join(map(pretty, some))}: test accuracy of the last epoch. Mean '
      f'over {spec.replicates} replicates, band or bar of one standard '
      'deviation.',
    )


def _transfer_matrix(found) -> Iterator[NamedFigure]:
  matrix = summary.transfers(found)
  if len(matrix) > 1:
    level = next(iter(matrix.values())).better.level
    yield NamedFigure(
      'transfer_matrix',
      analyses.transfer(matrix),
      'Test accuracy of elastic tickets minus that of the one which IMP found '
      f'in the network itself, in points, at level {level}. Mean over '
      "replicates, with a 95% interval of Student's t.",
    )


def _transfers(nodes: Mapping[str, Node]) -> list[Node]:
  """One ETT ticket a source, target and order: first replicate, top level."""
  made = [
    node
    for node in nodes.values()
    if node.kind == 'make'
    and node.spec['method'] == 'ett'
    and node.spec['about']['replicate'] == 0
  ]
  made.sort(key=lambda node: node.spec['level'])
  return list(
    {
      (
        node.spec['about']['source'],
        node.spec['target'],
        node.spec['order'],
      ): node
      for node in made
    }.values()
  )


def _transformations(nodes, store: Store, failed) -> Iterator[NamedFigure]:
  for node in _transfers(nodes):
    if node.name in failed:
      continue
    about, network = node.spec['about'], node.architecture
    source, target, order = about['source'], about['target'], about['order']
    text = store.ticket(node).provenance['plan']
    plan = Plan.parse(text, stages=list(network.depths))
    yield NamedFigure(
      f'transformation_{source}_to_{target}_{slug(order)}',
      figures.transformation(
        source, target, plan, network.with_name(source).depths
      ),
      f'{pretty(source)} to {pretty(target)}, {order}: '
      f'the target unit copies the source unit of its number; grey, the '
      f'first unit of a stage, always kept; dashed, a replica. Plan: {plan}',
    )


def _collapsed(nodes, store: Store, failed) -> dict[str, list[str]]:
  """Runs in which a layer had no weights left, and which layers."""
  found = {
    name: store.result(node).get('collapsed')
    for name, node in nodes.items()
    if node.kind == 'train' and name not in failed
  }
  return {name: layers for name, layers in found.items() if layers}


def _connectivity(nodes, store: Store, failed) -> Iterator[NamedFigure]:
  groups: dict[tuple[str, int], dict[str, list[list[float]]]] = {}
  methods, ways = {}, set()
  for node in nodes.values():
    if node.kind == 'connect' and node.name not in failed:
      about, result = node.spec['about'], store.result(node)
      label = summary.label_of({'order': '', **about})
      lines = groups.setdefault((about['target'], about['level']), {})
      lines.setdefault(label, []).append(result['accuracy'])
      methods[label] = about['method']
      ways.add(result['statistics'])
  for (target, level), lines in groups.items():
    yield NamedFigure(
      f'connectivity_{target}_level{level:02}',
      analyses.connectivity(target, level, lines, methods),
      f'{pretty(target)}: test accuracy on the straight line between two '
      'trainings of one ticket that differ in data order and augmentation '
      f'alone; BN statistics {" and ".join(sorted(ways))}. Mean over '
      'replicates, band of one standard deviation.',
    )


def _overlaps(nodes, store: Store, failed) -> Iterator[NamedFigure]:
  found: dict[str, dict[int, dict[str, list[float]]]] = {}
  last: dict[str, tuple[int, dict]] = {}
  for node in nodes.values():
    if node.kind == 'overlap' and node.name not in failed:
      about, result = node.spec['about'], store.result(node)
      target, level = about['target'], about['level']
      values = found.setdefault(target, {}).setdefault(level, {})
      partner = nodes[node.parents['imp']].spec['about']
      if about['method'] != 'imp':
        label = summary.label_of({'order': '', **about})
      elif partner['level'] != level:
        label = f'IMP, level {partner["level"]}'
      else:
        label = 'IMP, another replicate'
      values.setdefault(label, []).append(result['corrected'])
      last[target] = level, result['units']
  for target, levels in found.items():
    yield NamedFigure(
      f'overlap_{target}',
      analyses.overlap(target, levels),
      f'{pretty(target)}: intersection over union with the masks that IMP '
      'found, corrected for what masks of the same density in every layer '
      'share by chance. Mean over replicates.',
    )
    level, units = last[target]
    yield NamedFigure(
      f'units_{target}',
      analyses.units(target, level, units),
      f'{pretty(target)}: the same overlap between every two units of a stage '
      'within one ticket of IMP.',
    )


def _layers(nodes, store: Store, failed) -> Iterator[NamedFigure]:
  """Layer-wise sparsity at the highest level that was transformed."""
  for source in dict.fromkeys(
    node.spec['about']['source'] for node in _transfers(nodes)
  ):
    tickets: dict[str, Ticket] = {}
    level = 0
    for node in _transfers(nodes):
      about = node.spec['about']
      if about['source'] != source or node.name in failed:
        continue
      level = about['level']
      parent = nodes[node.parents['source']]
      tickets.setdefault(
        f'{pretty(source)}, found by IMP', store.ticket(parent)
      )
      name = f'{pretty(about["target"])}, by ETT ({about["order"]})'
      tickets[name] = store.ticket(node)
    if tickets:
      yield NamedFigure(
        f'layer_sparsity_{source}',
        figures.layer_sparsity(
          {
            f'{name}: {ticket.sparsity:.2%} in all': layer_densities(
              in_network_order(ticket.masks)
            )
            for name, ticket in tickets.items()
          },
          f'Level {level}, first replicate',
        ),
        f'Sparsity of every prunable layer of the ticket of {pretty(source)} '
        'and of what ETT makes of it. Below, stage and unit.',
      )


def in_network_order(masks):
  """Stem first, stages in order, head last."""

  def place(name: str) -> tuple:
    number = re.fullmatch(r'stage(\d+)', name)
    if number:
      return (1, int(number[1]))
    return (0, 0) if name.startswith('stem') else (2, name == 'head')

  return {name: masks[name] for name in sorted(masks, key=place)}


def _save(store: Store, item: NamedFigure) -> markupsafe.Markup:
  """Writes a figure in both formats; returns it as inline SVG."""
  svg, png = io.StringIO(), io.BytesIO()
  nothing = dict.fromkeys(('Creator', 'Date', 'Format', 'Type'))
  item.figure.savefig(svg, format='svg', metadata=nothing)
  item.figure.savefig(png, format='png', dpi=160)
  store.write(f'figures/{item.name}.svg', svg.getvalue())
  store.write(f'figures/{item.name}.png', png.getvalue())
  text = svg.getvalue()
  inline = text[text.index('<svg') :]
  # ids are unique within one file only; colours start with # too
  inline = re.sub(r'(\bid="|href="#|url\(#)', rf'\g<1>{item.name}-', inline)
  return markupsafe.Markup(inline)
