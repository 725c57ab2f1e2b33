"""Plans: which source unit each target unit copies, for every stage.

References:
  Chen et al., The Elastic Lottery Ticket Hypothesis, NeurIPS 2021, section 3.
"""

import dataclasses
import html
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

from elth_jax.elastic.layout import Layout
from elth_jax.elastic.table_text import format_table, parse_table
from elth_jax.elastic.tables import (
  ORDERS,
  Order,
  UnitNumbers,
  squeeze_table,
  stretch_table,
  whole_numbers,
)
from elth_jax.limits import check_argument
from elth_jax.trees import PyTree

Depths = int | Sequence[int] | Mapping[str, int]
Fixed = int | Mapping[str, int]  # see Layout.fixed


@dataclasses.dataclass(frozen=True)
class Plan:
  """Which source unit each target unit copies, for every stage.

  One plan rewrites parameters, BN statistics and masks alike, and commutes
  with any map over leaves.

  Attributes:
    tables: for each stage name a tuple; target unit t copies source unit
      `tables[stage][t]`. Unit 0 is a stage's first block.

  Raises:
    TypeError: if the tables are no mapping.
    ValueError: if a stage is empty or a source number is negative.
  """

  tables: Mapping[str, tuple[int, ...]]

  def __post_init__(self):
    give = 'stage -> source units; Plan.parse reads text'
    check_argument('tables', self.tables, Mapping, give)
    tables = {
      stage: tuple(whole_numbers(table, f'{stage}: table'))
      for stage, table in self.tables.items()
    }
    for stage, table in tables.items():
      if not table or min(table) < 0:
        raise ValueError(
          f'{stage}: table {table} must name at least one source unit, '
          'and none below 0'
        )
    object.__setattr__(self, 'tables', MappingProxyType(tables))

  def __hash__(self) -> int:
    return hash(frozenset(self.tables.items()))  # equal in any order

  def __reduce__(self):
    return Plan, (dict(self.tables),)

  def __repr__(self) -> str:
    stages = (
      f'{stage}: {" ".join(map(str, table))}'
      for stage, table in self.tables.items()
    )
    return f'Plan({", ".join(stages)})'

  def _repr_html_(self) -> str:
    """What a notebook shows: source units by stage, replicas in italics."""
    rows = []
    for stage, table in self.tables.items():
      replicas = self.replicas[stage]
      cells = ''.join(
        f'<td><i>{unit}</i></td>' if at in replicas else f'<td>{unit}</td>'
        for at, unit in enumerate(table)
      )
      rows.append(f'<tr><th>{html.escape(stage)}</th>{cells}</tr>')
    return f'<table>{"".join(rows)}</table>'

  @property
  def depths(self) -> dict[str, int]:
    """The number of units of each target stage, unit 0 included."""
    return {stage: len(table) for stage, table in self.tables.items()}

  @property
  def replicas(self) -> dict[str, frozenset[int]]:
    """The target units that repeat a source unit copied before, by stage."""
    return {
      stage: frozenset(
        target for target, unit in enumerate(table) if unit in table[:target]
      )
      for stage, table in self.tables.items()
    }

  def then(self, later: 'Plan') -> 'Plan':
    """This plan followed by another, as one plan.

    Raises:
      ValueError: if the stages differ, or `later` names a unit that this plan
        does not make.
    """
    if different := self.tables.keys() ^ later.tables.keys():
      raise ValueError(f'stages {sorted(different)} are not in both plans')
    for stage, table in later.tables.items():
      if max(table) >= self.depths[stage]:
        raise ValueError(
          f'{stage}: the later plan copies unit {max(table)}, but the first '
          f'makes units 0 to {self.depths[stage] - 1}'
        )
    return Plan(
      {
        stage: tuple(self.tables[stage][unit] for unit in table)
        for stage, table in later.tables.items()
      }
    )

  def in_order(self, stages: Iterable[str]) -> 'Plan':
    """The plan with its stages in this order, by which its text is read.

    Args:
      stages: at least those of the plan.
    """
    tables = self.tables
    return Plan({stage: tables[stage] for stage in stages if stage in tables})

  @classmethod
  def parse(cls, text: str, stages: int | Sequence[str] | None = None):
    """Reads the syntax of the published code: `src:dst[,dst...];...`.

    Args:
      text: one table for all stages, or one a stage, separated by `|`.
      stages: how many stages there are (named `stage1`, `stage2`, ...), or
        their names; may be left out when `text` has a table for each.

    Raises:
      TypeError: if text or stages are of another type.
      ValueError: naming the stage and the target unit that is filled twice or
        not at all, or the text that cannot be read.
    """
    check_argument('text', text, str, "tables as in '0:0;1:1,2'")
    if isinstance(stages, str):  # which is a sequence, of letters
      raise TypeError(f'stages is {stages!r}; give a list of names')
    parts = text.split('|')
    if stages is None:
      stages = len(parts)
    if isinstance(stages, int):
      stages = [f'stage{number}' for number in range(1, stages + 1)]
    if not stages:
      raise ValueError(f'{text!r} is for no stage; give at least one')
    if len(parts) == 1:
      parts = parts * len(stages)
    if len(parts) != len(stages):
      raise ValueError(
        f'{text!r} has {len(parts)} tables for {len(stages)} stages'
      )
    return cls(
      {
        stage: parse_table(part, stage)
        for stage, part in zip(stages, parts, strict=True)
      }
    )

  def __str__(self) -> str:
    """The plan in the published syntax; `Plan.parse` reads it back."""
    texts = [format_table(table) for table in self.tables.values()]
    return texts[0] if len(set(texts)) == 1 else '|'.join(texts)

  @classmethod
  def stretch(
    cls,
    source: Mapping[str, int],
    target: Depths,
    order: Order = 'append',
    units: UnitNumbers | Mapping[str, UnitNumbers] | None = None,
    fixed: Fixed = 1,
  ):
    """The plan that replicates units; see `stretch_tree`."""
    if order not in ORDERS:
      raise ValueError(f'order is {order!r}; known are {", ".join(ORDERS)}')
    depths = _depth_per_stage(target, source)
    chosen = _per_stage(units, source, 'units')
    return cls(
      {
        stage: stretch_table(
          stage, have, depths[stage], order, chosen[stage], _fixed(fixed, stage)
        )
        for stage, have in source.items()
      }
    )

  @classmethod
  def squeeze(
    cls,
    source: Mapping[str, int],
    target: Depths,
    keep: UnitNumbers | Mapping[str, UnitNumbers] | None = None,
    drop: UnitNumbers | Mapping[str, UnitNumbers] | None = None,
    fixed: Fixed = 1,
  ):
    """The plan that drops units; see `squeeze_tree`."""
    if keep is not None and drop is not None:
      raise ValueError('give keep or drop, not both')
    depths = _depth_per_stage(target, source)
    kept = _per_stage(keep, source, 'keep')
    dropped = _per_stage(drop, source, 'drop')
    return cls(
      {
        stage: squeeze_table(
          stage,
          have,
          depths[stage],
          kept[stage],
          dropped[stage],
          _fixed(fixed, stage),
        )
        for stage, have in source.items()
      }
    )

  def check(self, have: Mapping[str, int]) -> None:
    """Checks that the plan fits a tree of these depths.

    Raises:
      ValueError: naming the stage and the unit.
    """
    if missing := self.tables.keys() ^ have.keys():
      raise ValueError(
        f'the plan has stages {list(self.tables)} and the tree {list(have)}; '
        f'without a counterpart: {sorted(missing)}'
      )
    for stage, table in self.tables.items():
      for target, unit in enumerate(table):
        if unit >= have[stage]:
          raise ValueError(
            f'{stage}: target unit {target} copies source unit {unit}, but '
            f'the tree has units 0 to {have[stage] - 1}'
          )

  def apply(self, tree: PyTree, layout: Layout = Layout()) -> PyTree:
    """The tree with every stage rewritten; leaves are passed, not copied.

    Args:
      tree: nested mappings with the plan's stages at any depth; arrays of any
        kind, tracers or `None` as leaves.
      layout: how the tree names its stages and units.

    Raises:
      ValueError: if plan and tree differ in their stages, a table names a
        unit that the tree lacks, or units of one stage differ in shape.
    """
    self.check(layout.depths(tree))
    layout.check_alike(tree, self.tables)
    return layout.rewrite(tree, self.tables)


def _per_stage(value: object, stages: Mapping[str, int], what: str) -> dict:
  """Spreads one value over all stages, or checks a value for each stage."""
  if isinstance(value, Iterator):  # which can be read once alone
    value = tuple(value)
  if not isinstance(value, Mapping):
    return dict.fromkeys(stages, value)
  if different := value.keys() ^ stages.keys():
    raise ValueError(
      f'{what}: stages {sorted(different)} are not in both {list(value)} '
      f'and the tree, which has {list(stages)}'
    )
  return {stage: value[stage] for stage in stages}


def _depth_per_stage(
  depths: Depths, stages: Mapping[str, int]
) -> dict[str, int]:
  if isinstance(depths, Iterable) and not isinstance(depths, Mapping | str):
    values = list(depths)
    if len(values) != len(stages):
      raise ValueError(
        f'depths: {len(values)} values for {len(stages)} stages {list(stages)}'
      )
    depths = dict(zip(stages, values, strict=True))
  by_stage = _per_stage(depths, stages, 'depths')
  numbers = whole_numbers([*by_stage.values()], 'depths')
  return dict(zip(stages, numbers, strict=True))


def _fixed(fixed: Fixed, stage: str) -> int:
  return fixed.get(stage, 1) if isinstance(fixed, Mapping) else fixed
