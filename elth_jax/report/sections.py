"""The sections of a page that its list of contents leads to."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

# id -> name, and the value of the page whose presence shows the section
NAMED = (
  ('accuracy', 'Accuracy', 'found'),
  ('results', 'Results', 'tables'),
  ('supports', 'What the data supports', 'claims'),
  ('claims', "The paper's claims", 'judgements'),
  ('published', 'Published numbers', 'published'),
  ('transfers', 'Elastic tickets against IMP', 'matrix'),
)
LAST = (
  ('costs', 'Costs', 'costs'),
  ('times', 'Training time', 'times'),
  ('runs', 'All networks', 'runs'),
)


def sections(
  values: Mapping[str, Any],
  groups: Mapping[str, Collection],
  failed: Collection[str],
) -> list[tuple[str, str]]:
  """Id and name of each section that is on the page, in its order.

  Args:
    values: what the template is given.
    groups: title -> figures; those without any are left out.
    failed: names of failed nodes.
  """
  found = [('conclusion', 'Conclusion')]
  if failed:
    found.append(('failed', 'Failed'))
  found += _present(NAMED, values)
  shown = [title for title, items in groups.items() if items]
  found += [(f'group-{n}', title) for n, title in enumerate(shown, 1)]
  found += _present(LAST, values)
  return [*found, ('about', 'About this study')]


def _present(
  known: Sequence[tuple[str, str, str]], values: Mapping[str, Any]
) -> list[tuple[str, str]]:
  return [
    (identity, name)
    for identity, name, value in known
    if values[value]
    and not (identity == 'supports' and values['spec'].paper.claims)
    and not (identity == 'transfers' and len(values[value]) < 2)
  ]
