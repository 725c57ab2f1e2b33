"""Tickets of twice and of half the width; checked."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from elth_jax.elastic import width, width_checks
from elth_jax.families import Architecture
from elth_jax.masks import dense_masks
from elth_jax.names import unknown
from elth_jax.tickets.equivalence import TOLERANCE, largest_difference
from elth_jax.tickets.ticket import Ticket
from elth_jax.tickets.transform import checked
from elth_jax.tickets.value import Network, untested
from elth_jax.trees import flatten


def with_width(ticket: Network, rule: str, seed: int = 0) -> Network:
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


def check_width(network: Architecture, rule: str) -> None:
  """Checks that a rule of `elastic.width` fits a network.

  Of a registered family the rule is tried on fresh weights.

  Raises:
    ValueError: naming network and width, if `with_width` would refuse.
  """
  factor = 0.5 if rule == width.NARROW else 2
  wanted = dataclasses.replace(network, width=int(factor * network.width))
  have, want = network.shapes()['params'], wanted.shapes()['params']
  try:
    width.changed_axes(have, want, factor)
    if not network.is_own:
      fresh = network.init(0)
      masks = dense_masks(fresh['params'], network.family.prunable)
      with_width(Ticket(network.to_json(), masks=masks, **fresh), rule)
  except ValueError as error:
    raise ValueError(
      f'{network.name}, width {network.width}, {rule!r}: {error}; tickets of '
      'other widths may do'
    ) from error


def widen(
  ticket: Network,
  variant: width.Variant = 'replicate',
  seed: int = 0,
  scale: float = 0.1,
  halve: bool = True,
) -> Network:
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
  new = dataclasses.replace(
    ticket,
    architecture=wanted.to_json(),
    params=params,
    batch_stats=wide['batch_stats'],
    masks=masks,
    provenance=untested(ticket, width=f'doubled, {variant}'),
  )
  return checked(new, wanted)


def narrow(
  ticket: Network, double: bool = True, merge: bool = False
) -> Network:
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
  new = dataclasses.replace(
    ticket,
    architecture=wanted.to_json(),
    params=width.narrow_tree(ticket.params, shapes['params'], **how),
    batch_stats=width.narrow_tree(
      ticket.batch_stats, shapes['batch_stats'], **how
    ),
    masks=width.narrow_tree(ticket.masks, shapes['params'], **how),
    provenance=untested(ticket, width='halved'),
  )
  if double:
    _check_split(wanted, source, _variables(new))
  return checked(new, wanted)


def _variables(ticket: Network) -> dict[str, Any]:
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
