"""Says what a transformation does, before it is done."""

import dataclasses
import html
import io
from collections.abc import Mapping
from typing import Any

from elth_jax.elastic.layout import Layout
from elth_jax.elastic.plan import Plan
from elth_jax.elastic.rules import Rule
from elth_jax.elastic.sparsity import Count, predict
from elth_jax.families import Architecture, architecture, plan_between
from elth_jax.limits import check_argument
from elth_jax.tickets import transform
from elth_jax.tickets.ticket import Ticket
from elth_jax.trees import PyTree

ELSEWHERE = 'elsewhere'


@dataclasses.dataclass(frozen=True)
class Part:
  """One stage, or all that lies outside stages.

  Attributes:
    units: (before, after) the number of units.
    parameters: (before, after).
    multiply_adds: (before, after) for one image; `None` where unknown.
    weights: (before, after) the prunable weights; `None` without masks.
  """

  units: tuple[int, int]
  parameters: tuple[int, int]
  multiply_adds: tuple[int, int] | None
  weights: tuple[Count, Count] | None


@dataclasses.dataclass(frozen=True)
class Explanation:
  """What a plan does, as a value; `print` shows it, `figure` draws it.

  Attributes:
    source: name of the network that is transformed.
    target: name of the network wanted.
    plan: which source unit each target unit copies.
    fixed: units at the start of each stage that rules leave alone.
    parts: stage (or `elsewhere`) -> its sizes.
    outside: names of the layers outside all stages, which stay as they are.
  """

  source: str
  target: str
  plan: Plan
  fixed: Mapping[str, int]
  parts: Mapping[str, Part]
  outside: tuple[str, ...]

  def __str__(self) -> str:
    rows = [
      [
        '',
        'units',
        'copied from ([n] is a replica)',
        'parameters',
        'multiply-adds',
        'sparsity',
      ]
    ]
    for name, part in self.parts.items():
      in_stage = name != ELSEWHERE
      rows.append(
        [
          name,
          f'{part.units[0]} -> {part.units[1]}' if in_stage else '',
          self._copies(name) if in_stage else 'unchanged',
          *_sizes(part),
        ]
      )
    rows.append(['total', '', '', *_sizes(self.total)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
      '  '.join(
        cell.ljust(width) for cell, width in zip(row, widths, strict=True)
      ).rstrip()
      for row in rows
    ]
    return '\n'.join(
      [
        f'{self.source} -> {self.target}: {self.plan}',
        *lines,
        f'invariant: {", ".join([*self.outside, *self._fixed()]) or "nothing"}',
      ]
    )

  __repr__ = __str__

  def _repr_html_(self) -> str:
    """What a notebook shows."""
    image = io.StringIO()
    self.figure().savefig(image, format='svg')
    svg = image.getvalue()
    return f'<pre>{html.escape(str(self))}</pre>{svg[svg.index("<svg") :]}'

  @property
  def total(self) -> Part:
    """All parts together."""
    parts = list(self.parts.values())

    def both(field: str, start) -> Any:
      values = [getattr(part, field) for part in parts]
      if None in values:
        return None
      return tuple(sum((v[i] for v in values), start) for i in (0, 1))

    return Part(
      both('units', 0),
      both('parameters', 0),
      both('multiply_adds', 0),
      both('weights', Count()),
    )

  def figure(self):
    """The plan drawn, as a matplotlib figure; `figure().savefig(path)`."""
    from elth_jax.tickets.drawing import transformation  # loads matplotlib

    depths = {stage: self.parts[stage].units[0] for stage in self.plan.tables}
    return transformation(
      self.source, self.target, self.plan, depths, self.fixed
    )

  def _fixed(self) -> list[str]:
    """The units that stay where they are, in words."""
    stages = [stage for stage, units in self.fixed.items() if units]
    if stages and set(self.fixed.values()) == {1}:
      return ['unit 0 of every stage']
    return [
      'unit 0'
      + (f' to {self.fixed[stage] - 1}' * (self.fixed[stage] > 1))
      + f' of {stage}'
      for stage in stages
    ]

  def _copies(self, stage: str) -> str:
    replicas = self.plan.replicas[stage]
    return ' '.join(
      f'[{unit}]' if target in replicas else str(unit)
      for target, unit in enumerate(self.plan.tables[stage])
    )


def explain(
  source: Ticket | Architecture | str,
  target: str,
  order: str | Rule | None = None,
  *,
  plan: Plan | None = None,
  **choice: Any,
) -> Explanation:
  """What a transformation between two networks of a family does.

  Args:
    source: a ticket (then sparsities are told), a network, or its name.
    target: the name of the network wanted.
    order: a rule, as for `Ticket.transform`.
    plan: a plan of your own instead.
    **choice: `units`, `keep` or `drop`, as for `Ticket.transform`.

  Raises:
    TypeError, ValueError: as `Ticket.transform` would.
  """
  check_argument(
    'source', source, (Ticket, Architecture, str), 'a ticket or a network'
  )
  if isinstance(source, str):
    source = architecture(source)
  ticket = source if isinstance(source, Ticket) else None
  network = (
    Architecture.from_json(source.architecture)
    if isinstance(source, Ticket)
    else source
  )
  if ticket is not None:
    plan = transform.plan_for(ticket, target, order, plan=plan, **choice)
  elif choice:
    raise ValueError('units, keep and drop go with a ticket; write a rule')
  elif plan is not None:
    given = ['order'] if order is not None else []
    plan = transform.checked_plan(plan, given, network, target)
  else:
    rule = 'append' if order is None else order
    plan = plan_between(network, network.with_name(target), rule)
  return explain_tree(
    network.shapes()['params'],
    plan,
    network.family.layout,
    masks=None if ticket is None else ticket.masks,
    multiply_adds=network.multiply_adds(),
    names=(network.name, target),
  )


def explain_tree(
  params: PyTree,
  plan: Plan,
  layout: Layout = Layout(),
  *,
  masks: PyTree | None = None,
  multiply_adds: Mapping[str, int] | None = None,
  names: tuple[str, str] = ('source', 'target'),
) -> Explanation:
  """What a plan does to any tree of parameters.

  Args:
    params: arrays, or anything with shapes, by stage and unit.
    plan: which source unit each target unit copies.
    layout: how the tree names its stages and units.
    masks: to tell sparsities.
    multiply_adds: of one image's forward pass, by leaf of `params`.
    names: what source and target are called.

  Raises:
    ValueError: if the plan does not fit the tree.
  """
  have = layout.depths(params)
  plan.check(have)
  layout.check_alike(params, plan.tables)
  plan = plan.in_order(have)
  sizes = _by_unit(layout, params, have, lambda leaf: _size(leaf.value))
  work = None
  if multiply_adds is not None:
    work = _by_unit(
      layout, params, have, lambda leaf: _work(leaf, multiply_adds, have)
    )
  before = after = None
  if masks is not None:
    before = predict(masks, None, layout)
    after = predict(masks, plan, layout)
  parts = {}
  for stage, table in plan.tables.items():
    parts[stage] = Part(
      (have[stage], len(table)),
      _before_and_after(sizes[stage], table),
      None if work is None else _before_and_after(work[stage], table),
      None
      if before is None or after is None
      else (before.stages[stage], after.stages[stage]),
    )
  rest = sum(sizes[None])
  more = None if work is None else sum(work[None])
  parts[ELSEWHERE] = Part(
    (0, 0),
    (rest, rest),
    None if more is None else (more, more),
    None if before is None else (before.elsewhere, before.elsewhere),
  )
  outside = dict.fromkeys(
    leaf.name.rpartition('/')[0] or leaf.name
    for leaf in layout.leaves(params)
    if leaf.stage is None
  )
  fixed = {
    stage: min(layout.fixed_units(stage), n) for stage, n in have.items()
  }
  return Explanation(*names, plan, fixed, parts, tuple(outside))


def _by_unit(layout: Layout, params, depths, measure) -> dict[Any, list[int]]:
  found: dict[Any, list[int]] = {s: [0] * n for s, n in depths.items()}
  found[None] = [0]
  for leaf in layout.leaves(params):
    found[leaf.stage][leaf.unit] += measure(leaf)
  return found


def _before_and_after(units: list[int], table) -> tuple[int, int]:
  return sum(units), sum(units[unit] for unit in table)


def _work(leaf: Any, multiply_adds: Mapping[str, int], have) -> int:
  """A leaf's multiply-adds; those of a stacked leaf are all its layers'."""
  layers = 1 if leaf.layer is None else have[leaf.stage]
  return multiply_adds.get(leaf.path, 0) // layers


def _size(value: Any) -> int:
  size = 1
  for length in getattr(value, 'shape', ()):
    size *= length
  return size


def _short(number: int) -> str:
  """Three digits and a unit: 40.8M."""
  for unit, size in (('G', 1e9), ('M', 1e6), ('k', 1e3)):
    if number >= size:
      return f'{number / size:.3g}{unit}'
  return str(number)


def _sizes(part: Part) -> list[str]:
  def change(values, text) -> str:
    if values is None:
      return '-'
    one, other = map(text, values)
    return one if one == other else f'{one} -> {other}'

  return [
    change(part.parameters, lambda n: f'{n:,}'),
    change(part.multiply_adds, _short),
    change(part.weights, lambda count: f'{count.sparsity:.2%}'),
  ]
