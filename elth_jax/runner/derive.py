"""Makes the tickets of a study that need no training, and signs them."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from elth_jax.datasets import Dataset, Stream
from elth_jax.methods import METHODS, Setting, lottery
from elth_jax.study.nodes import Derive, Node, Prune, Rewind, TicketNode
from elth_jax.tickets.ticket import Ticket
from elth_jax.versions import versions
from elth_jax.workdir.store import Store

# from the run that a ticket goes back to
INHERITED = ('dataset', 'examples', 'sha256', 'normalization', 'recipe', 'seed')


def pruned(node: Prune, nodes: Mapping[str, Node], store: Store) -> Ticket:
  """IMP's next ticket; the node's parents are done."""
  trained = store.trained(nodes[node.parents['trained']])
  return lottery.next_level(
    store.ticket(nodes[node.parents['rewind']]),
    store.ticket(nodes[node.parents['previous']]),
    trained['params'],
    node.fraction,
    node.reference_count,
    node.scope,
  )


def derived(
  node: Derive,
  nodes: Mapping[str, Node],
  store: Store,
  data: Mapping[str, Dataset | Stream],
) -> Ticket:
  """A method's ticket; the node's parents are done.

  Args:
    node: what is made.
    nodes: the study.
    store: where the parents' tickets are.
    data: the study's data sets; the first is the targets'.
  """
  tickets: dict[Any, Ticket] = {
    role: store.ticket(nodes[name]) for role, name in node.parents.items()
  }
  setting = Setting(
    transfer=node.transfer,
    level=node.level,
    seed=node.seed,
    dataset=next(iter(data.values())),
    batch_size=node.batch_size,
    pruning=node.pruning,
    sparse=node.sparse,
  )
  return METHODS[node.method].make(tickets, setting)


def sign(
  ticket: Ticket, node: TicketNode, nodes: Mapping[str, Node], store: Store
) -> Ticket:
  """The ticket with its provenance, as plain JSON values.

  The family and its depths; dataset, recipe, seed and rewind step of the run
  that it goes back to; the node's own settings; for every parent its node and
  the hash of what it made; versions.
  """
  origin = _origin(node, nodes)
  inherited = origin.record()
  provenance = {
    'family': node.architecture.family.name,
    'depths': node.architecture.depths,
    **{name: inherited[name] for name in INHERITED},
    'rewind_step': origin.stop,
    **ticket.provenance,
    **node.subject.columns(),
    **node.record(),
    'node': node.key,
    'parents': {r: nodes[name].key for r, name in node.parents.items()},
    'hashes': store.digests(nodes, node),
    'versions': versions(store.kernels),
  }
  return dataclasses.replace(ticket, provenance=provenance)


def _origin(node: Node, nodes: Mapping[str, Node]) -> Rewind:
  """The dense run whose weights a ticket goes back to."""
  while not isinstance(node, Rewind):
    roles = ('rewind', 'source', *node.parents)
    role = next(role for role in roles if role in node.parents)
    node = nodes[node.parents[role]]
  return node
