"""How sparse a ticket will be after a plan, and matching a wanted figure."""

import dataclasses
from collections.abc import Mapping
from types import NoneType
from typing import Literal

import numpy as np

from elth_jax.elastic.layout import Layout
from elth_jax.elastic.plan import Plan
from elth_jax.limits import check_argument
from elth_jax.masks import (
  NeverPruned,
  counts,
  keep_largest,
  keep_where,
  nothing,
)
from elth_jax.trees import PyTree, map_named, named_leaves


@dataclasses.dataclass(frozen=True)
class Count:
  """Prunable weights of a part of a network.

  Attributes:
    kept: those that the masks keep.
    total: all of them.
  """

  kept: int = 0
  total: int = 0

  def __add__(self, other: 'Count') -> 'Count':
    return Count(self.kept + other.kept, self.total + other.total)

  @property
  def sparsity(self) -> float:
    """The share of zeros, 0 to 1; 0 where nothing is prunable."""
    return 1 - self.kept / self.total if self.total else 0.0


@dataclasses.dataclass(frozen=True)
class Forecast:
  """Prunable weights of a network by stage.

  Attributes:
    stages: stage -> its count.
    elsewhere: what lies outside all stages (stem, head).
  """

  stages: Mapping[str, Count]
  elsewhere: Count

  @property
  def overall(self) -> Count:
    return sum(self.stages.values(), self.elsewhere)


def unit_counts(
  masks: PyTree, layout: Layout = Layout()
) -> tuple[dict[str, list[Count]], Count]:
  """Counts by stage and unit, and of what lies outside all stages."""
  units = {
    stage: [Count()] * depth for stage, depth in layout.depths(masks).items()
  }
  elsewhere = Count()
  for leaf in layout.leaves(masks):
    if leaf.value is None:
      continue
    count = Count(int(np.count_nonzero(leaf.value)), leaf.value.size)
    if leaf.stage is None:
      elsewhere += count
    else:
      units[leaf.stage][leaf.unit] += count
  return units, elsewhere


def predict(
  masks: PyTree, plan: Plan | None = None, layout: Layout = Layout()
) -> Forecast:
  """The counts after a plan (or as they are), without building the target.

  Raises:
    TypeError: if the plan is none.
    ValueError: if the plan names a stage or unit that the masks lack.
  """
  check_argument('plan', plan, (Plan, NoneType), 'a Plan, e.g. of Plan.stretch')
  units, elsewhere = unit_counts(masks, layout)
  if plan is None:
    plan = Plan({stage: tuple(range(len(of))) for stage, of in units.items()})
  plan.check({stage: len(of) for stage, of in units.items()})
  stages = {
    stage: sum((units[stage][unit] for unit in table), Count())
    for stage, table in plan.tables.items()
  }
  return Forecast(stages, elsewhere)


def unit_scores(
  params: PyTree, masks: PyTree, layout: Layout = Layout()
) -> dict[str, dict[str, list[float]]]:
  """What `best ... by` in a rule can name: a score for each unit.

  Returns:
    `density`: share of a unit's prunable weights that are kept; `magnitude`:
    their mean absolute value, pruned ones counted as 0. By stage.
  """
  units, _ = unit_counts(masks, layout)
  sums = {stage: [0.0] * len(of) for stage, of in units.items()}

  def add(leaf, mask):
    if mask is not None:
      kept = keep_where(mask, np.abs(np.asarray(leaf.value, np.float64)))
      sums[leaf.stage][leaf.unit] += float(kept.sum())
    return leaf.value

  layout.map_units(add, params, masks)
  return {
    'density': {s: [1 - c.sparsity for c in of] for s, of in units.items()},
    'magnitude': {
      stage: [
        total / max(count.total, 1)
        for total, count in zip(sums[stage], of, strict=True)
      ]
      for stage, of in units.items()
    },
  }


def match_sparsity(
  masks: PyTree,
  scores: PyTree,
  sparsity: float,
  scope: Literal['global', 'stage'] = 'global',
  layout: Layout = Layout(),
  never_pruned: NeverPruned = nothing,
) -> PyTree:
  """Masks of exactly the wanted sparsity, by as few changes as possible.

  Where too much is kept, the smallest scores are pruned; where too little,
  the largest among the pruned are grown again. Ties by position.

  Args:
    masks: the masks to change.
    scores: a number for each weight, e.g. the magnitudes of dense weights.
    sparsity: the share of zeros wanted, 0 to 1; the count kept is rounded to
      a whole number.
    scope: over all leaves together, or the same sparsity in every stage (and
      in what lies outside stages).
    layout: says what belongs to which stage.
    never_pruned: names of leaves that are counted but left as they are.

  Raises:
    ValueError: if the figure is out of range, or out of reach while some leaves
      are never pruned; if the layout finds no stage for the scope `stage`.
  """
  if not 0 <= sparsity <= 1:
    raise ValueError(f'sparsity is {sparsity}; give a share between 0 and 1')
  if scope not in ('global', 'stage'):
    raise ValueError(f'scope is {scope!r}; give global or stage')
  if scope == 'stage':
    layout.depths(masks)  # refuses a network without stages
  groups: dict[str | None, dict[str, Count]] = {}
  for leaf in layout.leaves(masks):
    if leaf.value is not None:
      group = groups.setdefault(leaf.stage if scope == 'stage' else None, {})
      count = Count(int(np.count_nonzero(leaf.value)), leaf.value.size)
      # a stacked leaf comes in parts
      group[leaf.path] = group.get(leaf.path, Count()) + count
  for group in groups.values():
    have = sum(group.values(), Count())
    change = round((1 - sparsity) * have.total) - have.kept

    def left_alone(name, group=group):
      return name not in group or never_pruned(name)

    if change < 0:
      present = counts(masks)[0]
      masks = keep_largest(scores, masks, present + change, left_alone)
    elif change > 0:
      masks = _grow(masks, scores, change, left_alone)
  return masks


def _grow(masks, scores, count: int, left_alone) -> PyTree:
  """Keeps `count` weights more, those of the largest scores."""
  pruned = map_named(
    lambda name, m: m if m is None or left_alone(name) else ~m, masks
  )
  fixed = sum(
    int(np.count_nonzero(m))
    for name, m in named_leaves(pruned)
    if m is not None and left_alone(name)
  )
  chosen = keep_largest(scores, pruned, fixed + count, left_alone)
  return map_named(
    lambda _, old, new: old if old is None else old | new, masks, chosen
  )
