"""Writes figures/ and the self-contained report.html of a study."""

import io
import re
from collections.abc import Callable, Collection, Mapping, Sequence

import jinja2
import markupsafe
import matplotlib

from elth_jax.process.signals import StudyStopped
from elth_jax.report import summary
from elth_jax.report.content import content
from elth_jax.report.figures import SVG_SETTINGS
from elth_jax.report.groups import NamedFigure, all_figures
from elth_jax.report.results import of_targets, without_result
from elth_jax.report.sections import sections
from elth_jax.study.nodes import Node
from elth_jax.study.spec import StudySpec
from elth_jax.workdir.store import Store

# drawn on the page itself, in its own colours
ON_THE_PAGE = 'Accuracy against sparsity', 'Elastic tickets against IMP'


def write_report(
  store: Store,
  spec: StudySpec,
  nodes: Mapping[str, Node],
  rows: Sequence[summary.Row],
  failed: Mapping[str, str],
  notes: Sequence[str] = (),
  command: str = '',
  asked_to_stop: Callable[[], bool] = lambda: False,
  done: Collection[str] | None = None,
  test_images: int = 0,
) -> None:
  """Writes all figures as SVG and PNG, and one page that holds them.

  The page of a study that is not finished has no files in figures/, says how
  much is done and loads itself again.

  Args:
    store: the workdir, and where finished tickets are.
    spec: what was asked for.
    nodes: the study's graph.
    rows: the rows of results.csv.
    failed: name of a node -> why it failed.
    notes: what was damaged or has changed since the study began.
    command: how to run the study again, where there is a command.
    asked_to_stop: looked at before each figure.
    done: names of the finished nodes; `None` for all that did not fail.
    test_images: how many there are; 0 if that is not known.

  Raises:
    StudyStopped: if asked to stop; the next start writes the report.
  """
  if done is None:
    done = nodes.keys() - failed.keys()
  left = nodes.keys() - set(done) - failed.keys()
  skipped = {**failed, **dict.fromkeys(left, 'not done yet')}
  lost = of_targets(without_result(nodes, failed), spec)
  found = summary.cells(rows, lost, test_images)
  groups: dict[str, list] = {}
  accuracy_files = []
  for title, group in all_figures(spec, nodes, store, found, skipped).items():
    if left:
      break
    groups[title] = []
    for item in group:
      if asked_to_stop():
        raise StudyStopped
      inline = _save(store, item)
      if title == ON_THE_PAGE[0]:
        accuracy_files.append(item.name)
      elif title not in ON_THE_PAGE:
        groups[title].append((item, inline))
  environment = jinja2.Environment(
    loader=jinja2.PackageLoader('elth_jax.report', '.'),
    autoescape=True,
    trim_blocks=True,
  )
  values = content(
    store, spec, nodes, rows, failed, skipped, found, test_images, lost
  )
  page = environment.get_template('template.html').render(
    values,
    groups={title: items for title, items in groups.items() if items},
    accuracy_files=accuracy_files,
    failed=failed,
    notes=notes,
    sections=sections(values, groups, failed),
    command=command
    or f"session.run(json.load(open('config.json')), '{store.root}')",
  )
  store.write('report.html', page)


def _save(store: Store, item: NamedFigure) -> markupsafe.Markup:
  """Writes a figure in both formats; returns it as inline SVG."""
  svg, png = io.StringIO(), io.BytesIO()
  nothing = dict.fromkeys(('Creator', 'Date', 'Format', 'Type'))
  with matplotlib.rc_context(SVG_SETTINGS):
    item.figure.savefig(svg, format='svg', metadata=nothing)
  item.figure.savefig(png, format='png', dpi=160)
  store.write(f'figures/{item.name}.svg', svg.getvalue())
  store.write(f'figures/{item.name}.png', png.getvalue())
  return _inline(svg.getvalue(), item)


def _inline(text: str, item: NamedFigure) -> markupsafe.Markup:
  """A figure's SVG for the page: named, and no smaller than can be read."""
  inline = text[text.index('<svg') :]
  # ids are unique within one file only; colours start with # too
  inline = re.sub(r'(\bid="|href="#|url\(#)', rf'\g<1>{item.name}-', inline)
  # a style in it would be one of the whole page
  inline = re.sub(r'<style.*?</style>', '', inline, flags=re.S)
  pixels = round(96 * item.figure.get_figwidth())
  words = markupsafe.escape(item.caption)
  return markupsafe.Markup(
    inline.replace(
      '<svg',
      f'<svg role="img" aria-label="{words}" style="width: 100%; min-width: '
      f'{round(0.8 * pixels)}px; max-width: {round(1.25 * pixels)}px; '
      'stroke-linejoin: round"',
      1,
    )
  )
