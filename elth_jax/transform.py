"""Tickets for other networks: deeper, shallower, wider, sparser; checked.

The functions over trees in `elastic/` do the work; here they are applied to
tickets, whose architecture says what must come out.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

import jax
import numpy as np

from elth_jax.elastic import replicas, sparsity, width, width_checks
from elth_jax.elastic.plan import Plan
from elth_jax.elastic.tables import Units
from elth_jax.equivalence import TOLERANCE, largest_difference
from elth_jax.families import Architecture, plan_between
from elth_jax.masks import apply_masks
from elth_jax.names import unknown
from elth_jax.randomness import generator
from elth_jax.ticket import COLLECTIONS, Ticket
from elth_jax.trees import flatten, map_named, unflatten

UnitChoice = Units | Mapping[str, Units] | None


def plan_for(
  ticket: Ticket,
  target: str,
  order: str = 'append',
  units: UnitChoice = None,
  keep: UnitChoice = None,
  drop: UnitChoice = None,
) -> Plan:
  """The plan by which `Ticket.transform` would make the target.

  Raises:
    ValueError: naming both networks, if no such plan leads there, or a choice
      is given that does not apply.
  """
  source = Architecture.from_json(ticket.architecture)
  wanted = source.with_name(target)
  have, want = source.depths, wanted.depths
  if keep is None and drop is None and units is None:
    scores = unit_scores(ticket) if ' by ' in order else None
    return plan_between(source, wanted, order, scores)
  fixed = {stage: source.family.layout.fixed_units(stage) for stage in have}
  try:
    if any(want.get(stage, 0) < have[stage] for stage in have):
      if units is not None:
        raise ValueError('units is for stretching; squeeze by keep or drop')
      return Plan.squeeze(have, want, keep, drop, fixed)
    if units is None:
      raise ValueError('keep and drop are for squeezing; stretch by units')
    return Plan.stretch(have, want, order, units, fixed)  # pyrefly: ignore
  except ValueError as error:
    raise ValueError(f'{source.name} to {target}: {error}') from None


def with_classes(ticket: Ticket, classes: int, seed: int) -> Ticket:
  """The ticket for another number of classes, with a fresh dense head.

  What the classes give its shape is drawn anew and lies outside the ticket: it
  has no mask, and does not count. For as many classes the ticket stays as it
  is, head included (Morcos et al. 2019).

  Args:
    ticket: of a family of this library's or a registered one.
    classes: how many are wanted.
    seed: of the new head.
  """
  source = Architecture.from_json(ticket.architecture)
  if classes == source.classes:
    return ticket
  wanted = dataclasses.replace(source, classes=classes)
  fresh = flatten(wanted.init(seed)['params'])
  params, masks = flatten(ticket.params), flatten(ticket.masks)
  for name, leaf in fresh.items():
    if leaf.shape != params[name].shape:
      params[name], masks[name] = leaf, None
  return dataclasses.replace(
    ticket,
    architecture=wanted.to_json(),
    params=unflatten(params),
    masks=unflatten(masks),
    provenance={**ticket.provenance, 'head': 'fresh'},
  )


def with_images(ticket: Ticket, shape: tuple[int, int, int]) -> Ticket:
  """The ticket for images of another shape.

  Raises:
    ValueError: if the network's weights depend on it (an MLP's do).
  """
  source = Architecture.from_json(ticket.architecture)
  if tuple(shape) == source.input_shape:
    return ticket
  wanted = dataclasses.replace(source, input_shape=tuple(shape))
  moved = dataclasses.replace(ticket, architecture=wanted.to_json())
  try:
    return _checked(moved, wanted)
  except ValueError as error:
    raise ValueError(
      f'{source.name} for images of {source.input_shape} has other weights '
      f'than for {tuple(shape)}: {error}'
    ) from None


def with_width(ticket: Ticket, rule: str, seed: int = 0) -> Ticket:
  """The ticket of twice or half the width, by a rule of `elastic.width`.

  Args:
    ticket: of any depth.
    rule: `widen replicate`, `widen gaussian`, `widen permute`, `widen uneven`
      or `narrow`.
    seed: of noise, permutation or division.

  Raises:
    ValueError: if there is no such rule.
  """
  if rule not in width.WIDTH_RULES:
    raise ValueError(unknown('rule', rule, width.WIDTH_RULES))
  if rule == width.NARROW:
    return narrow(ticket)
  return widen(ticket, width.WIDEN[rule], seed)


def transform(ticket: Ticket, target: str, plan: Plan) -> Ticket:
  """The ticket of another depth, by a plan; see `Ticket.transform`.

  Raises:
    ValueError: if the target is of another family or unknown, or the result
      does not have exactly its leaves, shapes and dtypes.
  """
  source = Architecture.from_json(ticket.architecture)
  wanted = source.with_name(target)
  # together, since a collection may lack a stage (linear layers have no BN)
  trees = {name: getattr(ticket, name) for name in COLLECTIONS}
  new = ticket.derive(
    architecture=wanted.to_json(),
    **plan.apply(trees, source.family.layout),
    provenance={
      **ticket.provenance,
      'source': source.name,
      'plan': str(plan),
    },
  )
  return _checked(new, wanted)


def unit_scores(ticket: Ticket) -> dict[str, dict[str, list[float]]]:
  """`density` and `magnitude` of every unit, for rules like `best 2 by`."""
  layout = Architecture.from_json(ticket.architecture).family.layout
  return sparsity.unit_scores(ticket.params, ticket.masks, layout)


def widen(
  ticket: Ticket,
  variant: width.Variant = 'replicate',
  seed: int = 0,
  scale: float = 0.1,
  halve: bool = True,
) -> Ticket:
  """The ticket of twice the width, by binary splitting.

  Args:
    ticket: of any depth; width and depth commute.
    variant: `replicate` computes what the source does (with `halve`), and
      both channels of a pair stay equal however long they are trained;
      `uneven` computes the same with weights divided unequally, so that they
      part; `gaussian` adds noise to the weights kept; `permute` shuffles
      weights and masks together within each leaf.
    seed: of noise, permutation or division.
    scale: the noise's deviation relative to that of a leaf's kept weights.
    halve: whether weights between split channels are halved.

  Raises:
    ValueError: if a setting is out of range, weights cannot be divided, or
      splitting channels of this registered family changes what it computes
      (not tried without `halve`).

  References:
    Chen et al., earlier version, appendix on width; see `elastic.width`.
  """
  width.check_variant(variant, scale)
  source = Architecture.from_json(ticket.architecture)
  wanted = dataclasses.replace(source, width=2 * source.width)
  uneven = seed if variant == 'uneven' else None
  wide = _widened(_variables(ticket), wanted, halve, uneven)
  if halve:
    _check_split(source, wanted, _variables(ticket), uneven)
  masks = width.widen_tree(ticket.masks, wanted.shapes()['params'])
  params, masks = width.vary(wide['params'], masks, variant, seed, scale)
  about = {**ticket.provenance, 'width': f'doubled, {variant}'}
  new = Ticket(wanted.to_json(), params, wide['batch_stats'], masks, about)
  return _checked(new, wanted)


def narrow(ticket: Ticket, double: bool = True, merge: bool = False) -> Ticket:
  """The ticket of half the width; undoes `widen`.

  Args:
    ticket: of an even width.
    double: whether weights between channels that were halved are doubled.
    merge: sum the weights from both channels of a pair instead, which undoes
      `widen` with `uneven` too.

  Raises:
    ValueError: if the width is odd, or doubling the result again would change
      what this registered family computes.
  """
  source = Architecture.from_json(ticket.architecture)
  if source.width % 2:
    raise ValueError(f'{source.name}: width {source.width} cannot be halved')
  wanted = dataclasses.replace(source, width=source.width // 2)
  shapes = wanted.shapes()
  how = {'double': double, 'trusted': _any_leaf, 'merge': merge}
  new = Ticket(
    wanted.to_json(),
    width.narrow_tree(ticket.params, shapes['params'], **how),
    width.narrow_tree(ticket.batch_stats, shapes['batch_stats'], **how),
    width.narrow_tree(ticket.masks, shapes['params'], **how),
    {**ticket.provenance, 'width': 'halved'},
  )
  if double:
    _check_split(wanted, source, _variables(new))
  return _checked(new, wanted)


def _variables(ticket: Ticket) -> dict[str, Any]:
  return {'params': ticket.params, 'batch_stats': ticket.batch_stats}


def _any_leaf(name: str) -> bool:
  """Trusts every leaf: own families are tested, others are tried out."""
  del name
  return True


def _widened(
  variables: Mapping[str, Any],
  wanted: Architecture,
  halve: bool = True,
  uneven: int | None = None,
) -> dict[str, Any]:
  shapes = wanted.shapes()
  return {
    name: width.widen_tree(
      tree, shapes[name], halve, trusted=_any_leaf, uneven=uneven
    )
    for name, tree in variables.items()
  }


def _check_split(
  narrow: Architecture,
  wide: Architecture,
  variables: Mapping[str, Any],
  uneven: int | None = None,
) -> None:
  """Refuses a registered family that splitting channels does not fit."""
  if narrow.is_own:
    return
  found = largest_difference(
    narrow, wide, variables, lambda v: _widened(v, wide, uneven=uneven)
  )
  if found > TOLERANCE:
    raise ValueError(
      f'family {narrow.family.name}: {narrow.name} with every channel of width '
      f'{narrow.width} split in two computes something else; outputs differ '
      f'by up to {found:.2g} of the largest. {_suspects(narrow, wide)}'
    )


def _suspects(narrow: Architecture, wide: Architecture) -> str:
  """What may be at fault, and what to do."""
  have, want = narrow.shapes()['params'], wide.shapes()['params']
  shapes = {name: tuple(leaf.shape) for name, leaf in flatten(have).items()}
  doubts = width_checks.doubtful(shapes, width.changed_axes(have, want, 2))
  leaves = f'In doubt: {", ".join(doubts)}. ' if doubts else ''
  return (
    f'{leaves}Attention, grouped convolutions, tied embeddings and groups of '
    'channels do not follow the rule of elastic.width; resize such leaves by '
    'hand'
  )


def match_sparsity(
  ticket: Ticket,
  wanted: float,
  dense: Ticket | None = None,
  scope: Literal['global', 'stage'] = 'global',
  grow: Literal['magnitude', 'random'] = 'magnitude',
  seed: int = 0,
) -> Ticket:
  """The ticket at exactly a wanted sparsity, changed as little as possible.

  The smallest weights are pruned; or pruned weights grow again, with the
  values of `dense`: the largest there, or random ones.

  Args:
    ticket: after any transformation, which lets sparsity drift.
    wanted: share of zeros, 0 to 1.
    dense: the same network's dense rewind weights, needed to grow.
    scope: over the whole network, or the same in every stage.
    grow: the rule by which pruned weights are chosen.
    seed: of the random choice.

  Raises:
    ValueError: if weights must grow and `dense` is not given, or a setting is
      out of range.
  """
  if not 0 <= wanted <= 1:
    raise ValueError(f'sparsity is {wanted}; give a share between 0 and 1')
  network = Architecture.from_json(ticket.architecture)
  if grow not in ('magnitude', 'random'):
    raise ValueError(f'grow is {grow!r}; give magnitude or random')
  values = ticket if dense is None else dense

  def score(name, mask, own, value):
    if mask is None:
      return None
    kept = np.abs(own)
    if grow == 'magnitude':
      return np.where(mask, kept, np.abs(value))
    draw = generator(seed, f'grow/{name}').random(mask.shape)
    return np.where(mask, kept, draw)

  masks = sparsity.match_sparsity(
    ticket.masks,
    map_named(score, ticket.masks, ticket.params, values.params),
    wanted,
    scope,
    network.family.layout,
    network.family.is_spared,
  )

  def grown(name, new, old, own, value):
    if new is None:
      return own
    if dense is None and np.any(new & ~old):
      raise ValueError(
        f'{name}: to reach sparsity {wanted} pruned weights must grow again; '
        "give the same network's dense rewind weights as `dense`"
      )
    # a product would be NaN where a pruned weight is infinite
    return np.where(new & ~old, value, np.where(new, own, 0))

  params = map_named(grown, masks, ticket.masks, ticket.params, values.params)
  return dataclasses.replace(ticket, params=params, masks=masks)


def pass_on(ticket: Ticket, plan: Plan) -> Ticket:
  """The ticket with replicas that pass on what they are given.

  The last layer of each replica's branch is zeroed, so that the stretched
  network computes what its source did, until it is trained.

  Raises:
    ValueError: if nothing in this family's units does that.
  """
  family = Architecture.from_json(ticket.architecture).family
  if not family.branch_end:
    raise ValueError(
      f'{family.name}: units have no branch beside an identity, so no scaling '
      'makes them pass on their input'
    )
  params = replicas.scale_leaves(
    ticket.params, plan, family.branch_end, 0.0, family.layout
  )
  return dataclasses.replace(ticket, params=params)


def masks_only(ticket: Ticket, own: Ticket) -> Ticket:
  """The ticket's masks over the weights and statistics of `own` (dense)."""
  return dataclasses.replace(
    ticket,
    params=apply_masks(own.params, ticket.masks),
    batch_stats=own.batch_stats,
  )


def weights_only(ticket: Ticket) -> Ticket:
  """The ticket's weights with nothing masked: zeros may be trained."""
  dense = jax.tree.map(np.ones_like, ticket.masks)
  return dataclasses.replace(ticket, masks=dense)


def signs_only(ticket: Ticket, own: Ticket) -> Ticket:
  """The ticket's masks and signs, with the magnitudes of `own` (dense)."""
  signed = replicas.take_signs(ticket.params, own.params)
  return dataclasses.replace(ticket, params=apply_masks(signed, ticket.masks))


def _checked(ticket: Ticket, wanted: Architecture) -> Ticket:
  found: dict[str, Any] = {
    'params': ticket.params,
    'batch_stats': ticket.batch_stats,
  }
  wanted.check(found)
  return ticket
