"""The name, colour and marker of every line of a study, in all its figures."""

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence

from elth_jax.methods import METHODS
from elth_jax.methods.styles import Style, spare
from elth_jax.report.summary import Cell

DENSE: Style = ('#767676', '')


@dataclasses.dataclass(frozen=True)
class Series:
  """What figures draw as one line.

  Attributes:
    number: of the line, from 0; the dense network comes first if there is one.
    name: in legends and on the page.
    method: as in results.csv.
    colour: `#RRGGBB`.
    marker: as matplotlib names it; empty for the dense network.
  """

  number: int
  name: str
  method: str
  colour: str
  marker: str


def series_of(found: Sequence[Cell]) -> dict[str, Series]:
  """Label -> its line. Labels that differ in the rule alone may share one.

  A ticket gets to deeper and to shallower targets by different rules. These
  are one line where no target has both.

  Args:
    found: all cells of a study, so that its figures agree.
  """
  names = _names(found)
  methods = {
    names[cell.label]: cell.method
    for cell in sorted(found, key=lambda cell: cell.method != 'dense')
  }
  styles = styles_of(methods)
  lines = {
    name: Series(number, name, method, *styles[name])
    for number, (name, method) in enumerate(methods.items())
  }
  return {label: lines[name] for label, name in names.items()}


def _names(found: Sequence[Cell]) -> dict[str, str]:
  """Label -> name: without the rule, where labels are one line."""
  groups: dict[tuple[str, str], dict[str, set[str]]] = {}
  for cell in found:
    group = groups.setdefault((cell.method, without_rule(cell)), {})
    group.setdefault(cell.label, set()).add(cell.target)
  names = {}
  for (_, name), labels in groups.items():
    distinct = len(set.union(*labels.values()))
    shared = sum(map(len, labels.values())) == distinct
    for label in labels:
      names[label] = name if len(labels) > 1 and shared else label
  return names


def without_rule(cell: Cell) -> str:
  """A cell's label without the rule by which its ticket was transformed."""
  if not cell.order:
    return cell.label
  label = cell.label.removesuffix(f' ({cell.order})')
  return label.removesuffix(f', {cell.order})') + (
    ')' if label.endswith(f', {cell.order})') else ''
  )


def styles_of(methods: Mapping[str, str]) -> dict[str, Style]:
  """Name -> colour and marker, the same for a method in every figure.

  A method has several lines in a study where it has one for each source and
  rule: they go through the method's own styles again and again, or through
  spare ones where it has a single style.

  Args:
    methods: name of a line -> the method's name, in the order of the legend.
  """
  registered = {style for m in METHODS.values() for style in m.styles}
  styles: dict[str, Style] = {}
  seen: Counter[str] = Counter()
  for name, method in methods.items():
    own = METHODS[method].styles if method in METHODS else ()
    if method == 'dense':
      styles[name] = DENSE
    elif len(own) > 1 or len(own) > seen[method]:
      styles[name] = own[seen[method] % len(own)]
    else:
      styles[name] = spare({*registered, *styles.values()})
    seen[method] += 1
  return styles


def drawn_sparsity(cell: Cell, found: Sequence[Cell]) -> float:
  """Where figures draw a cell: at its sparsity, 0 to 1.

  A dense network that belongs to a level, as one trained as long as IMP took
  to it, is drawn at that level's sparsity: at its own, the levels would lie on
  top of each other.
  """
  if not cell.level or cell.sparsity > 1e-9:
    return cell.sparsity
  same = [
    other.sparsity
    for other in sorted(found, key=lambda c: c.method != 'imp')
    if (other.target, other.level) == (cell.target, cell.level)
    and other.sparsity > 1e-9
  ]
  return same[0] if same else cell.sparsity


def is_dense_at_level(cell: Cell) -> bool:
  """Whether a dense network stands for a level, trained longer."""
  return cell.level > 0 and cell.sparsity <= 1e-9
