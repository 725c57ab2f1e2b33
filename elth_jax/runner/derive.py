"""Makes the tickets of a study that need no training, and signs them."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from elth_jax.datasets import Dataset, Stream
from elth_jax.methods import (
  METHODS,
  Pruning,
  Setting,
  Sparse,
  lottery,
)
from elth_jax.study.nodes import Node
from elth_jax.tickets.ticket import Ticket
from elth_jax.tickets.transform import with_classes, with_images
from elth_jax.tickets.widths import with_width
from elth_jax.versions import versions
from elth_jax.workdir.store import Store

# from the run that a ticket goes back to
INHERITED = ('dataset', 'examples', 'sha256', 'normalization', 'recipe', 'seed')


def make_ticket(
  node: Node,
  nodes: Mapping[str, Node],
  store: Store,
  data: Mapping[str, Dataset | Stream],
) -> Ticket:
  """The ticket of a `prune` or `make` node whose parents are done."""
  parents = {role: nodes[name] for role, name in node.parents.items()}
  tickets: dict[Any, Ticket] = {
    role: store.ticket(parent)
    for role, parent in parents.items()
    if role != 'trained'
  }
  for role in ('source', 'source_rewind'):
    if role in tickets:
      tickets[role] = _suited(tickets[role], node)
  if node.kind == 'prune':
    ticket = lottery.next_level(
      tickets['rewind'],
      tickets['previous'],
      store.trained(parents['trained'])['params'],
      node.spec['fraction'],
      node.spec['reference_count'],
      node.spec.get('scope', 'global'),
    )
  else:
    ticket = METHODS[node.spec['method']].make(tickets, _setting(node, data))
  return ticket


def _suited(ticket: Ticket, node: Node) -> Ticket:
  """A source's ticket in the width, for the images and classes of a target."""
  wanted, seed = node.architecture, node.spec['seed']
  if rule := node.spec.get('width_rule'):
    ticket = with_width(ticket, rule, seed)
  if node.spec['about'].get('head') == 'fresh':
    ticket = with_classes(ticket, wanted.classes, seed)
  return with_images(ticket, wanted.input_shape)


def _setting(node: Node, data: Mapping[str, Dataset | Stream]) -> Setting:
  """What the node's method is told; the first data set is the targets'."""
  spec = node.spec
  return Setting(
    target=spec['target'],
    order=spec['order'],
    level=spec['level'],
    seed=spec['seed'],
    dataset=next(iter(data.values())),
    batch_size=spec.get('data', {}).get('batch_size', 0),
    pruning=Pruning(**spec.get('pruning', {})),
    sparse=Sparse(**spec.get('sparse', {})),
  )


def sign(
  ticket: Ticket, node: Node, nodes: Mapping[str, Node], store: Store
) -> Ticket:
  """The ticket with its provenance, as plain JSON values.

  The family and its depths; dataset, recipe, seed and rewind step of the run
  that it goes back to; the node's own settings; for every parent its node and
  the hash of what it made; versions.
  """
  origin = _origin(node, nodes)
  depths = node.architecture.depths
  provenance = {
    'family': node.architecture.family.name,
    'depths': depths,
    **{name: origin.spec[name] for name in INHERITED},
    'rewind_step': origin.spec['stop'],
    **ticket.provenance,
    **node.spec['about'],
    **{k: v for k, v in node.spec.items() if k != 'about'},
    'node': node.key,
    'parents': {r: nodes[name].key for r, name in node.parents.items()},
    'hashes': store.digests(nodes, node),
    'versions': versions(store.kernels),
  }
  return dataclasses.replace(ticket, provenance=provenance)


def _origin(node: Node, nodes: Mapping[str, Node]) -> Node:
  """The dense run whose weights a ticket goes back to."""
  while node.kind != 'rewind':
    roles = ('rewind', 'source', *node.parents)
    role = next(role for role in roles if role in node.parents)
    node = nodes[node.parents[role]]
  return node
