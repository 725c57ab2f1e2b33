"""Tickets for other networks: deeper, shallower, wider, sparser; checked.

The functions over trees in `elastic/` do the work; here they are applied to
tickets, whose architecture says what must come out.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import jax
import numpy as np

from elth_jax.elastic import (
  replicas,
  sparsity,
)
from elth_jax.elastic.plan import Plan
from elth_jax.elastic.rules import Rule, as_rule
from elth_jax.elastic.tables import UnitNumbers
from elth_jax.families import Architecture, plan_between
from elth_jax.limits import check_argument
from elth_jax.masks import apply_masks, magnitude
from elth_jax.randomness import generator
from elth_jax.tickets.value import COLLECTIONS, Network, untested
from elth_jax.trees import flatten, map_named, unflatten

UnitChoice = UnitNumbers | Mapping[str, UnitNumbers] | None


def plan_for(
  ticket: Network,
  target: str,
  order: str | Rule | None = None,
  units: UnitChoice = None,
  keep: UnitChoice = None,
  drop: UnitChoice = None,
  plan: Plan | None = None,
) -> Plan:
  """The plan by which `Ticket.transform` would make the target.

  Raises:
    TypeError: if target, order or plan are of another type.
    ValueError: naming both networks, if no such plan leads there, or a choice
      is given that does not apply.
  """
  choices = {'order': order, 'units': units, 'keep': keep, 'drop': drop}
  given = [name for name, value in choices.items() if value is not None]
  source = Architecture.from_json(ticket.architecture)
  if plan is not None:
    return checked_plan(plan, given, source, target)
  if len(given) > 1 and given != ['order', 'units']:
    raise ValueError(f'{" and ".join(given)} are given; give one of them')
  order = 'append' if order is None else order
  wanted = source.with_name(target)
  have, want = source.depths, wanted.depths
  if keep is None and drop is None and units is None:
    rule = as_rule(order)
    scores = unit_scores(ticket) if rule.scores else None
    return plan_between(source, wanted, rule, scores)
  fixed = {stage: source.family.layout.fixed_units(stage) for stage in have}
  try:
    if any(want.get(stage, 0) < have[stage] for stage in have):
      if units is not None:
        raise ValueError('units is for stretching; squeeze by keep or drop')
      return Plan.squeeze(have, want, keep, drop, fixed)
    if units is None:
      raise ValueError('keep and drop are for squeezing; stretch by units')
    return Plan.stretch(have, want, str(order), units, fixed)  # pyrefly: ignore
  except ValueError as error:
    raise ValueError(f'{source.name} to {target}: {error}') from None


def checked_plan(
  plan: Plan, given: Sequence[str], source: Architecture, target: str
) -> Plan:
  """A plan of the caller's own, which takes the place of all choices.

  Args:
    plan: of the caller's.
    given: names of the choices that are given too.
    source: the network that is transformed.
    target: the name of the network wanted.

  Raises:
    TypeError: if it is no plan.
    ValueError: if a choice is given too, or the plan does not lead there.
  """
  check_argument('plan', plan, Plan, 'a Plan, or a rule as `order`')
  if given:
    raise ValueError(f'{given[0]} and plan are given; give one of them')
  wanted = source.with_name(target)
  if any(wanted.depths.get(name) != n for name, n in plan.depths.items()):
    raise ValueError(
      f'{source.name} to {target}: the plan makes depths {plan.depths}, not '
      f'{wanted.depths}'
    )
  return plan


def with_classes(ticket: Network, classes: int, seed: int) -> Network:
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
    provenance=untested(ticket, head='fresh'),
  )


def with_images(ticket: Network, shape: tuple[int, int, int]) -> Network:
  """The ticket for images of another shape.

  Raises:
    ValueError: if the network's weights depend on it (an MLP's do).
  """
  source = Architecture.from_json(ticket.architecture)
  if tuple(shape) == source.input_shape:
    return ticket
  wanted = dataclasses.replace(source, input_shape=tuple(shape))
  moved = dataclasses.replace(
    ticket, architecture=wanted.to_json(), provenance=untested(ticket)
  )
  try:
    return checked(moved, wanted)
  except ValueError as error:
    raise ValueError(
      f'{source.name} for images of {source.input_shape} has other weights '
      f'than for {tuple(shape)}: {error}'
    ) from None


def transform(ticket: Network, target: str, plan: Plan) -> Network:
  """The ticket of another depth, by a plan; see `Ticket.transform`.

  Raises:
    ValueError: if the target is of another family or unknown, or the result
      does not have exactly its leaves, shapes and dtypes.
  """
  source = Architecture.from_json(ticket.architecture)
  wanted = source.with_name(target)
  # together, since a collection may lack a stage (linear layers have no BN)
  trees = {name: getattr(ticket, name) for name in COLLECTIONS}
  trees = plan.apply(trees, source.family.layout)
  about = {
    'source': source.name,
    'plan': str(plan.in_order(source.depths)),
    'depths': wanted.depths,
  }
  new = ticket.derive(
    architecture=wanted.to_json(),
    **trees,
    provenance=untested(ticket, **about),
  )
  try:
    return checked(new, wanted)
  except ValueError as error:
    pattern = source.family.layout.units
    raise ValueError(
      f'{error}; layers stay as they are where Layout.units, {pattern!r}, does '
      'not match their names'
    ) from None


def plan_of(ticket: Network) -> Plan:
  """The plan by which `transform` made a ticket, from its provenance.

  Raises:
    ValueError: if the ticket was not made so, or its plan cannot be read.
  """
  if 'plan' not in ticket.provenance:
    raise ValueError('the ticket was made by no plan: it was not transformed')
  stages = Architecture.from_json(ticket.architecture).depths
  return Plan.parse(ticket.provenance['plan'], stages=list(stages))


def unit_scores(ticket: Network) -> dict[str, dict[str, list[float]]]:
  """`density` and `magnitude` of every unit, for rules like `best 2 by`."""
  layout = Architecture.from_json(ticket.architecture).family.layout
  return sparsity.unit_scores(ticket.params, ticket.masks, layout)


def match_sparsity(
  ticket: Network,
  wanted: float,
  dense: Network | None = None,
  scope: Literal['global', 'stage'] = 'global',
  grow: Literal['magnitude', 'random'] = 'magnitude',
  seed: int = 0,
) -> Network:
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
    ValueError: if weights must grow and `dense` is not given, `dense` is
      sparse or another network, or a setting is out of range.
  """
  if not 0 <= wanted <= 1:
    raise ValueError(f'sparsity is {wanted}; give a share between 0 and 1')
  network = Architecture.from_json(ticket.architecture)
  if grow not in ('magnitude', 'random'):
    raise ValueError(f'grow is {grow!r}; give magnitude or random')
  values = ticket if dense is None else _dense(dense, ticket)

  def score(name, mask, own, value):
    if mask is None:
      return None
    kept = magnitude(own)
    if grow == 'magnitude':
      return np.where(mask, kept, magnitude(value))
    draw = generator(seed, f'grow/{name}').random(mask.shape)
    return np.where(mask, kept, draw)

  masks = sparsity.match_sparsity(
    ticket.masks,
    map_named(score, ticket.masks, ticket.params, values.params),
    wanted,
    scope,
    network.family.layout,
    network.family.is_never_pruned,
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
  return dataclasses.replace(
    ticket, params=params, masks=masks, provenance=untested(ticket)
  )


def zero_init_replicas(ticket: Network, plan: Plan) -> Network:
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
  return dataclasses.replace(ticket, params=params, provenance=untested(ticket))


def masks_only(ticket: Network, own: Network) -> Network:
  """The ticket's masks over the weights and statistics of `own` (dense).

  Raises:
    ValueError: if `own` is sparse or another network.
  """
  own = _dense(own, ticket)
  return dataclasses.replace(
    ticket,
    params=apply_masks(own.params, ticket.masks),
    batch_stats=own.batch_stats,
    provenance=untested(ticket),
  )


def weights_only(ticket: Network) -> Network:
  """The ticket's weights with nothing masked: zeros may be trained."""
  dense = jax.tree.map(np.ones_like, ticket.masks)
  return dataclasses.replace(ticket, masks=dense, provenance=untested(ticket))


def signs_only(ticket: Network, own: Network) -> Network:
  """The ticket's masks and signs, with the magnitudes of `own` (dense).

  Raises:
    ValueError: if `own` is sparse or another network.
  """
  signed = replicas.take_signs(ticket.params, _dense(own, ticket).params)
  return dataclasses.replace(
    ticket,
    params=apply_masks(signed, ticket.masks),
    provenance=untested(ticket),
  )


def _dense(own: Network, ticket: Network) -> Network:
  """A network whose weights a ticket takes; `ValueError` if it cannot."""
  given, network = (
    Architecture.from_json(one.architecture) for one in (own, ticket)
  )
  if given != network:
    raise ValueError(
      f'dense weights of {given} are given for a ticket of {network}'
    )
  if own.sparsity:
    raise ValueError(
      f'the weights given as dense are {own.sparsity:.1%} sparse; give the '
      'same network before it was pruned'
    )
  return own


def checked(ticket: Network, wanted: Architecture) -> Network:
  """The ticket; `ValueError` unless it has the leaves of its network."""
  found: dict[str, Any] = {
    'params': ticket.params,
    'batch_stats': ticket.batch_stats,
  }
  wanted.check(found)
  return ticket
