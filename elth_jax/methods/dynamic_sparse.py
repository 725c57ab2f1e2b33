"""Methods whose masks change in training, by what `dynamic.DYNAMIC` has."""

import dataclasses
import functools
from typing import Any

from elth_jax.dynamic import DYNAMIC, erk_counts, uniform_counts
from elth_jax.dynamic.distribution import random_masks
from elth_jax.families import Architecture
from elth_jax.masks import counts
from elth_jax.methods.lottery import with_masks
from elth_jax.methods.registry import Method, Setting, Tickets, register
from elth_jax.tickets.ticket import Ticket
from elth_jax.trees import flatten


def register_dynamic(name: str, dynamic: str = '', **options: Any) -> None:
  """Registers the method that trains with a dynamic method.

  It starts from the target's dense rewind weights, and keeps in the end as many
  as the target's IMP ticket of that level.

  Args:
    name: of the method.
    dynamic: the entry of `dynamic.DYNAMIC`, which brings label, docstring,
      colour and marker along; by default, that of the method's name.
    **options: of `methods.register`, such as `times` or `replace`; they go
      before what the entry brings.

  Raises:
    ValueError: if the dynamic method is unknown, or the name taken.
  """
  entry = DYNAMIC.find(dynamic or name)
  about: dict[str, Any] = {
    'count_only': ('imp',),
    'uses': ('sparse',),
    'dynamic': dynamic or name,
    'label': entry.label,
    'doc': entry.doc,
    'colour': entry.colour,
    'marker': entry.marker,
    'version': entry.version,
    **options,
  }
  enter = register(name, 'rewind', 'imp', **about)
  start = functools.partial(random_weights, purpose=dynamic or name)
  enter(all_weights if entry.starts_dense else start)


def random_weights(tickets: Tickets, setting: Setting, purpose: str) -> Ticket:
  """Dense rewind weights under random masks with RigL's counts by layer.

  Args:
    tickets: `rewind` and `imp`.
    setting: gives the seed.
    purpose: of the masks, the dynamic method's name: each draws its own.
  """
  rewind = tickets['rewind']
  network = Architecture.from_json(rewind.architecture)
  keep, _ = counts(tickets['imp'].masks)
  kept = kept_by_leaf(network, keep, setting.sparse.distribution)
  seed = setting.seed_for(purpose)
  return _keeping(
    with_masks(rewind, random_masks(rewind.masks, kept, seed)), keep
  )


def draws_masks(method: Method) -> bool:
  """Whether a method starts from masks that `random_weights` draws."""
  make = method.make
  return isinstance(make, functools.partial) and make.func is random_weights


def kept_by_leaf(
  network: Architecture, keep: int, distribution: str
) -> dict[str, int]:
  """How many weights RigL and SET keep in each leaf that may have a mask.

  Args:
    network: whose weights.
    keep: how many in all.
    distribution: `erk`, or `uniform` with a dense first layer.

  Raises:
    ValueError: naming the network, if its dense leaves alone have more.
  """
  free, always_kept = network.prunable_sizes()
  weights = flatten(network.shapes()['params'])
  work = [name for name in network.multiply_adds() if name in weights]
  shapes = {  # in network order; leaves of no product last
    name: weights[name].shape
    for name in dict.fromkeys([*work, *weights])
    if name in free or name in always_kept
  }
  try:
    if distribution == 'erk':
      return erk_counts(shapes, keep, always_kept)
    return uniform_counts(shapes, keep, [next(iter(shapes)), *always_kept])
  except ValueError as error:
    raise ValueError(f'{network.name}: {error}') from error


def all_weights(tickets: Tickets, setting: Setting) -> Ticket:
  """Dense rewind weights, none of them pruned yet."""
  del setting
  return _keeping(tickets['rewind'], counts(tickets['imp'].masks)[0])


def _keeping(ticket: Ticket, keep: int) -> Ticket:
  """The ticket with a note of how many weights are kept in the end."""
  about = {**ticket.provenance, 'keep': keep}
  return dataclasses.replace(ticket, provenance=about)


for _name, _entry in DYNAMIC.items():
  # files outside the package may have registered theirs before this is imported
  if _entry.make.__module__.startswith('elth_jax.dynamic.'):
    register_dynamic(_name)
register_dynamic(
  'rigl_x5',
  'rigl',
  label='RigL-5x',
  doc='RigL trained five times as long, drops and window too (RigL-5x).',
  times=5,
  colour='#D77D13',
)
