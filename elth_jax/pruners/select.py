"""From scores to masks: exact counts, over all leaves or by group."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from elth_jax.elastic.layout import Layout
from elth_jax.limits import number_of_weights
from elth_jax.masks import (
  NeverPruned,
  check_prunable,
  counts,
  keep_largest,
  keep_largest_by_group,
  masked_leaves,
  nothing,
)
from elth_jax.trees import PyTree

Scope = Literal['global', 'stage', 'leaf']
SCOPES: tuple[Scope, ...] = ('global', 'stage', 'leaf')


def select(
  scores: PyTree,
  masks: PyTree,
  keep: int,
  scope: Scope | str = 'global',
  never_pruned: NeverPruned = nothing,
  layout: Layout = Layout(),
) -> PyTree:
  """Keeps exactly `keep` of the weights that `masks` keeps, largest first.

  Args:
    scores: a number for each weight; of equal ones the first by position
      stays (leaf order, then row-major), so all-equal scores are no error.
    masks: the present masks, `None` where a leaf is unprunable.
    keep: how many weights stay, never pruned ones included; `counts(masks)[0]`
      leaves all, 0 none.
    scope: `global` ranks all leaves together; `leaf` and `stage` give each
      leaf, or each stage and what lies outside stages, the same density.
    never_pruned: names of leaves that are counted but left as they are.
    layout: says which leaves make a stage; needed for that scope alone.

  Raises:
    ValueError: if `keep` is out of range, a score is NaN, a scope is
      unknown, or the layout finds no stage for the scope `stage`.
  """
  keep = number_of_weights(keep)
  if scope not in SCOPES:
    raise ValueError(f'scope is {scope!r}; known: {", ".join(SCOPES)}')
  if scope == 'global':
    return keep_largest(scores, masks, keep, never_pruned)
  check_prunable(masks)
  groups = _groups(masks, scope, never_pruned, layout)
  sizes: dict[str | None, int] = {}
  for name, mask in masked_leaves(masks):
    if name in groups:
      size = int(np.count_nonzero(mask))
      sizes[groups[name]] = sizes.get(groups[name], 0) + size
  present = counts(masks)[0]
  fixed = present - sum(sizes.values())
  if not fixed <= keep <= present:
    raise ValueError(
      f'cannot keep {keep} weights: {present} are left, of which {fixed} are '
      'never pruned'
    )
  shares = share_out(keep - fixed, list(sizes.values()))
  return keep_largest_by_group(
    scores, masks, groups, dict(zip(sizes, shares, strict=True))
  )


def share_out(total: int, sizes: Sequence[int]) -> list[int]:
  """Whole shares in proportion to `sizes` that sum to `total` exactly.

  What rounding leaves over goes to the largest remainders, earlier ones
  first; no share exceeds its size.
  """
  whole = sum(sizes)
  if not whole:
    return [0 for _ in sizes]
  exact = [total * size for size in sizes]
  shares = [product // whole for product in exact]
  order = sorted(range(len(sizes)), key=lambda i: (-(exact[i] % whole), i))
  for i in order[: total - sum(shares)]:
    shares[i] += 1
  return shares


def _groups(
  masks: PyTree, scope: str, never_pruned: NeverPruned, layout: Layout
) -> dict[str, str | None]:
  """Name of a masked leaf that may be pruned -> its stage, or its own name."""
  names = [name for name, _ in masked_leaves(masks) if not never_pruned(name)]
  if scope == 'leaf':
    return {name: name for name in names}
  layout.depths(masks)  # refuses a network without stages
  stages = {leaf.path: leaf.stage for leaf in layout.leaves(masks)}
  return {name: stages[name] for name in names}
