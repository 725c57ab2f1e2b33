"""The two functions that make a plan and apply it at once."""

from collections.abc import Mapping

from elth_jax.elastic.layout import Layout
from elth_jax.elastic.plan import Depths, Plan
from elth_jax.elastic.tables import Order, UnitNumbers
from elth_jax.limits import check_argument
from elth_jax.trees import PyTree


def stretch_tree(
  tree: PyTree,
  depths: Depths,
  *,
  order: Order = 'append',
  units: UnitNumbers | Mapping[str, UnitNumbers] | None = None,
  layout: Layout = Layout(),
) -> PyTree:
  """Deepens every stage of `tree` by replicating its units.

  Args:
    tree: parameters, BN statistics, masks, or a mapping of several of these.
    depths: units wanted in a stage, unit 0 included: one number, one a stage,
      or a mapping from stage name.
    order: `interpolate` puts the copies of a unit together (1 1 2 2),
      `append` repeats the replicated units as a group (1 2 1 2).
    units: the units to replicate, evenly, earlier ones first; all but the
      layout's fixed ones (unit 0) when left out. A mapping gives them by stage.
    layout: how the tree names its stages and units.

  Returns:
    A tree of the same kind. Leaves are shared with `tree`.

  Raises:
    TypeError: if the layout is none.
    ValueError: if a stage has no units to replicate, would get fewer units
      than it has, or has units that differ in shape.

  References:
    Chen et al. 2021, section 3.2 and figure 2.
  """
  check_argument('layout', layout, Layout, 'a Layout')
  have = layout.depths(tree)
  fixed = layout.fixed_by_stage(have)
  plan = Plan.stretch(have, depths, order, units, fixed)
  return plan.apply(tree, layout)


def squeeze_tree(
  tree: PyTree,
  depths: Depths,
  *,
  keep: UnitNumbers | Mapping[str, UnitNumbers] | None = None,
  drop: UnitNumbers | Mapping[str, UnitNumbers] | None = None,
  layout: Layout = Layout(),
) -> PyTree:
  """Shortens every stage of `tree` by dropping units.

  Args:
    tree: parameters, BN statistics, masks, or a mapping of several of these.
    depths: units wanted in a stage, unit 0 included (see `stretch_tree`).
    keep: the units beyond the fixed to keep, in their order; the earliest when
      neither `keep` nor `drop` is given. A mapping gives them by stage.
    drop: the units to drop, instead of `keep`.
    layout: how the tree names its stages and units.

  Returns:
    A tree of the same kind. Leaves are shared with `tree`.

  Raises:
    TypeError: if the layout is none.
    ValueError: if a stage would get more units than it has, `keep` or `drop`
      has the wrong length or unknown units, or units differ in shape.

  References:
    Chen et al. 2021, section 3.2 and figure 5.
  """
  check_argument('layout', layout, Layout, 'a Layout')
  have = layout.depths(tree)
  fixed = layout.fixed_by_stage(have)
  plan = Plan.squeeze(have, depths, keep, drop, fixed)
  return plan.apply(tree, layout)
