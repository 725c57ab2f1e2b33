"""Makes and signs the tickets of a study, rewound and trained ones."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from elth_jax.datasets import Dataset, Stream
from elth_jax.masks import apply_masks
from elth_jax.methods import METHODS, Setting, lottery
from elth_jax.study.nodes import Derive, Node, Prune, Rewind, Run, TicketNode
from elth_jax.tickets.ticket import Ticket
from elth_jax.training.state import TrainState
from elth_jax.versions import versions
from elth_jax.workdir.store import Store

# from the run that a ticket goes back to
INHERITED = ('dataset', 'examples', 'sha256', 'normalization', 'recipe', 'seed')


def pruned(node: Prune, nodes: Mapping[str, Node], store: Store) -> Ticket:
  """IMP's next ticket; the node's parents are done."""
  run = nodes[node.parents['trained']]
  assert isinstance(run, Run)
  rewind, trained = (
    store.ticket(nodes[node.parents['rewind']]),
    store.trained(run),
  )
  found = lottery.next_level(
    rewind,
    store.ticket(nodes[node.parents['previous']]),
    trained.params,
    node.fraction,
    node.reference_count,
    node.scope,
  )
  if node.weights == 'rewound':
    return found
  kept = dataclasses.replace(
    rewind, params=trained.params, batch_stats=trained.batch_stats
  )
  return lottery.with_masks(kept, found.masks)


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
  make = METHODS[node.method].make
  assert make is not None  # others are found by training, as `Prune` nodes
  return make(tickets, setting)


def trained(
  node: Run,
  state: TrainState,
  result: Mapping[str, Any],
  nodes: Mapping[str, Node],
  store: Store,
) -> Ticket:
  """The network at the end of a training run, signed.

  Args:
    node: the run.
    state: at its end, on the host.
    result: what the run reports; its accuracy goes on record.
    nodes: the study.
    store: where the run's ticket is, whose provenance it goes on with.
  """
  began = store.record(nodes[node.parents['ticket']])
  accuracy = result['test_accuracy']
  return Ticket(
    architecture=node.architecture.to_json(),
    params=apply_masks(state.params, state.masks),
    batch_stats=state.batch_stats,
    masks=state.masks,
    provenance={
      **began,
      **_signature(node, nodes, store),
      'test_accuracy': accuracy if math.isfinite(accuracy) else None,
    },
    state='trained',
  )


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
    **{name: inherited[name] for name in INHERITED},
    'rewind_step': origin.stop,
    **ticket.provenance,
    'family': node.architecture.family.name,
    'depths': node.architecture.depths,
    **_signature(node, nodes, store),
  }
  return dataclasses.replace(ticket, provenance=provenance)


def _signature(
  node: Node, nodes: Mapping[str, Node], store: Store
) -> dict[str, Any]:
  """What a node is about, what determines it, and what it was made from."""
  return {
    **node.subject.columns(),
    **node.record(),
    'node': node.key,
    'parents': {r: nodes[name].key for r, name in node.parents.items()},
    'hashes': store.digests(nodes, node),
    'versions': versions(store.kernels),
  }


def _origin(node: Node, nodes: Mapping[str, Node]) -> Rewind:
  """The dense run whose weights a ticket goes back to."""
  while not isinstance(node, Rewind):
    roles = ('rewind', 'source', *node.parents)
    role = next(role for role in roles if role in node.parents)
    node = nodes[node.parents[role]]
  return node
