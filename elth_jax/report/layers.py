"""How sparse the first and the last layer of a study's tickets are."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from elth_jax.families import Architecture
from elth_jax.masks import layer_densities
from elth_jax.study.nodes import Node, TicketNode, Train
from elth_jax.study.spec import StudySpec
from elth_jax.tickets.drawing import in_network_order
from elth_jax.tickets.ticket import Ticket
from elth_jax.workdir.store import Store


def layer_sparsities(
  spec: StudySpec,
  nodes: Mapping[str, Node],
  store: Store,
  failed: Collection[str],
) -> Iterator[tuple[dict[str, Any], str, float]]:
  """What a ticket is about, `first` or `last`, and its share of zeros there.

  Of the tickets trained on targets at the compared levels, and only if a claim
  of the paper names such a measure, since tickets must be read for it.
  """
  wanted = {claim.one.measure for claim in spec.paper.claims} | {
    getattr(claim.other, 'measure', '') for claim in spec.paper.claims
  }
  if not wanted & {'first', 'last'}:
    return
  for node in nodes.values():
    if isinstance(node, Train) and _is_compared(node, spec, failed):
      ticket = nodes[node.parents['ticket']]
      assert isinstance(ticket, TicketNode)
      for place, value in _ends(store.ticket(ticket)).items():
        yield node.subject.columns(), place, value


def _is_compared(node: Train, spec: StudySpec, failed) -> bool:
  about = node.subject
  return (
    node.name not in failed
    and about.target in spec.targets
    and about.level in spec.compare_levels
    and about.method in spec.methods
  )


def _ends(ticket: Ticket) -> dict[str, float]:
  """Share of zeros of the first layer, and of the last before the head."""
  never = Architecture.from_json(ticket.architecture).family.is_never_pruned
  densities = layer_densities(in_network_order(ticket.masks))
  names = [name for name in densities if not never(name)]
  body = [name for name in names if not name.startswith('head')] or names
  return {'first': 1 - densities[body[0]], 'last': 1 - densities[body[-1]]}
