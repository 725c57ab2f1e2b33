"""Elastic Ticket Transformations: plans, and the two functions that use them.

References:
  Chen et al., The Elastic Lottery Ticket Hypothesis, NeurIPS 2021, section 3.
"""

import dataclasses
import operator
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from elth_jax.layout import Layout
from elth_jax.tables import (
  ORDERS,
  Order,
  Units,
  format_table,
  parse_table,
  squeeze_table,
  stretch_table,
)
from elth_jax.trees import PyTree

Depths = int | Sequence[int] | Mapping[str, int]


@dataclasses.dataclass(frozen=True)
class Plan:
  """Which source unit each target unit copies, for every stage.

  One plan rewrites parameters, BN statistics and masks alike, and commutes
  with any map over leaves.

  Attributes:
    tables: for each stage name a tuple; target unit t copies source unit
      `tables[stage][t]`. Unit 0 is a stage's first block.

  Raises:
    ValueError: if a stage is empty or a source number is negative.
  """

  tables: Mapping[str, tuple[int, ...]]

  def __post_init__(self):
    tables = {
      stage: tuple(operator.index(unit) for unit in table)
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
    return hash(tuple(self.tables.items()))

  def __reduce__(self):
    return Plan, (dict(self.tables),)

  @property
  def depths(self) -> dict[str, int]:
    """The number of units of each target stage, unit 0 included."""
    return {stage: len(table) for stage, table in self.tables.items()}

  @classmethod
  def parse(cls, text: str, stages: int | Sequence[str] | None = None):
    """Reads the syntax of the published code: `src:dst[,dst...];...`.

    Args:
      text: one table for all stages, or one a stage, separated by `|`.
      stages: how many stages there are (named `stage1`, `stage2`, ...), or
        their names; may be left out when `text` has a table for each.

    Raises:
      ValueError: naming the stage and the target unit that is filled twice or
        not at all, or the text that cannot be read.
    """
    parts = text.split('|')
    if stages is None:
      stages = len(parts)
    if isinstance(stages, int):
      stages = [f'stage{number}' for number in range(1, stages + 1)]
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
    units: Units | Mapping[str, Units] | None = None,
  ):
    """The plan that replicates units; see `stretch_tree`."""
    if order not in ORDERS:
      raise ValueError(f'order is {order!r}; known are {", ".join(ORDERS)}')
    depths = _depth_per_stage(target, source)
    chosen = _per_stage(units, source, 'units')
    return cls(
      {
        stage: stretch_table(stage, have, depths[stage], order, chosen[stage])
        for stage, have in source.items()
      }
    )

  @classmethod
  def squeeze(
    cls,
    source: Mapping[str, int],
    target: Depths,
    keep: Units | Mapping[str, Units] | None = None,
    drop: Units | Mapping[str, Units] | None = None,
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
          stage, have, depths[stage], kept[stage], dropped[stage]
        )
        for stage, have in source.items()
      }
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
    have = layout.depths(tree)
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
    layout.check_alike(tree, self.tables)
    return layout.rewrite(tree, self.tables)


def stretch_tree(
  tree: PyTree,
  depths: Depths,
  *,
  order: Order = 'append',
  units: Units | Mapping[str, Units] | None = None,
  layout: Layout = Layout(),
) -> PyTree:
  """Deepens every stage of `tree` by replicating its units.

  Args:
    tree: parameters, BN statistics, masks, or a mapping of several of these.
    depths: units wanted in a stage, unit 0 included: one number, one a stage,
      or a mapping from stage name.
    order: `interpolate` puts the copies of a unit together (1 1 2 2),
      `append` repeats the replicated units as a group (1 2 1 2).
    units: the units to replicate, evenly, earlier ones first; all but unit 0
      when left out. A mapping gives them by stage.
    layout: how the tree names its stages and units.

  Returns:
    A tree of the same kind. Leaves are shared with `tree`.

  Raises:
    ValueError: if a stage has no units to replicate, would get fewer units
      than it has, or has units that differ in shape.

  References:
    Chen et al. 2021, section 3.2 and figure 2.
  """
  plan = Plan.stretch(layout.depths(tree), depths, order, units)
  return plan.apply(tree, layout)


def squeeze_tree(
  tree: PyTree,
  depths: Depths,
  *,
  keep: Units | Mapping[str, Units] | None = None,
  drop: Units | Mapping[str, Units] | None = None,
  layout: Layout = Layout(),
) -> PyTree:
  """Shortens every stage of `tree` by dropping units.

  Args:
    tree: parameters, BN statistics, masks, or a mapping of several of these.
    depths: units wanted in a stage, unit 0 included (see `stretch_tree`).
    keep: the units beyond 0 to keep, in their order; the earliest when
      neither `keep` nor `drop` is given. A mapping gives them by stage.
    drop: the units to drop, instead of `keep`.
    layout: how the tree names its stages and units.

  Returns:
    A tree of the same kind. Leaves are shared with `tree`.

  Raises:
    ValueError: if a stage would get more units than it has, `keep` or `drop`
      has the wrong length or unknown units, or units differ in shape.

  References:
    Chen et al. 2021, section 3.2 and figure 5.
  """
  plan = Plan.squeeze(layout.depths(tree), depths, keep, drop)
  return plan.apply(tree, layout)


def _per_stage(value: object, stages: Mapping[str, int], what: str) -> dict:
  """Spreads one value over all stages, or checks a value for each stage."""
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
  if isinstance(depths, Iterable) and not isinstance(depths, Mapping):
    values = list(depths)
    if len(values) != len(stages):
      raise ValueError(
        f'depths: {len(values)} values for {len(stages)} stages {list(stages)}'
      )
    depths = dict(zip(stages, values, strict=True))
  by_stage = _per_stage(depths, stages, 'depths')
  try:
    return {stage: operator.index(n) for stage, n in by_stage.items()}
  except TypeError:
    raise ValueError(f'depths {depths!r} are not whole numbers') from None
