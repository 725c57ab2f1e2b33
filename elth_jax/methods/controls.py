"""Controls: which part of a ticket matters, its masks, weights or units?"""

from elth_jax.elastic import replicas
from elth_jax.families import Architecture
from elth_jax.masks import counts, permute_globally, permute_within_leaves
from elth_jax.methods.lottery import with_masks
from elth_jax.methods.registry import Setting, Tickets, register
from elth_jax.methods.reinit import fresh_under
from elth_jax.methods.snip import snip_of
from elth_jax.pruners import select
from elth_jax.randomness import generator
from elth_jax.tickets.ticket import Ticket
from elth_jax.transfers import Transfer
from elth_jax.trees import map_named


@register(
  'reinit_local',
  'imp',
  label='Reinit, masks permuted in layers',
  colour='#01665E',
  marker='4',
)
def reinit_local(tickets, setting):
  """New weights, the target's IMP mask permuted in each layer (OneTicket)."""
  return _reinit_permuted(tickets['imp'], setting, permute_within_leaves)


@register(
  'reinit_global',
  'imp',
  label='Reinit, masks permuted globally',
  colour='#1B7837',
  marker='>',
)
def reinit_global(tickets, setting):
  """New weights, the target's IMP mask permuted over all layers (OneTicket).

  Leaves that the family never prunes keep their masks.
  """
  family = Architecture.from_json(tickets['imp'].architecture).family
  return _reinit_permuted(
    tickets['imp'],
    setting,
    lambda masks, draw: permute_globally(masks, draw, family.is_never_pruned),
  )


@register(
  'ett_reinit',
  'source',
  label='ETT masks, reinit',
  colour='#A6761D',
  marker='<',
)
def ett_reinit(tickets, setting):
  """Figure 3: the transformed mask over new weights."""
  moved, _ = _transformed(tickets, setting)
  return fresh_under(moved, setting.seed_for('ett_reinit'))


@register(
  'ett_random_masks',
  'source',
  'source_rewind',
  label='ETT weights, random masks',
  colour='#E7298A',
  marker='X',
)
def ett_random_masks(tickets, setting):
  """Figure 3: the source's dense weights, transformed, under random masks."""
  moved, transfer = _transformed(tickets, setting)
  dense = transfer.apply(tickets['source_rewind'], setting.seed)
  draw = generator(setting.seed_for('ett_random_masks'), 'permute')
  return with_masks(dense, permute_within_leaves(moved.masks, draw))


@register(
  'ett_all_random',
  'source',
  label='Random masks, reinit',
  colour='#4D4D4D',
  marker='X',
)
def ett_all_random(tickets, setting):
  """Figure 3: new weights under random masks, by layer as dense as ETT's."""
  moved, _ = _transformed(tickets, setting)
  return _reinit_permuted(moved, setting, permute_within_leaves)


@register(
  'ett_snip_replicas',
  'source',
  'source_rewind',
  label='ETT, SNIP masks on replicas',
  uses=('pruning', 'data'),
  colour='#2166AC',
  marker='2',
)
def ett_snip_replicas(tickets, setting):
  """Figure 3: the transformed ticket, replicas masked by SNIP instead.

  SNIP ranks the replicas' weights among each other, at the transformed dense
  weights, and keeps as many of them as ETT's masks would.
  """
  moved, transfer = _transformed(tickets, setting)
  dense = transfer.apply(tickets['source_rewind'], setting.seed)
  layout = Architecture.from_json(moved.architecture).family.layout
  extra = {
    leaf.name
    for leaf in layout.leaves(moved.masks)
    if leaf.stage and leaf.unit in transfer.plan.replicas[leaf.stage]
  }
  opened = map_named(  # replicas may keep any weight, originals their own
    lambda name, mask, all_: all_ if name in extra else mask,
    moved.masks,
    dense.masks,
  )
  masks = select(
    snip_of(dense, setting),
    opened,
    counts(moved.masks)[0],
    never_pruned=lambda name: name not in extra,
  )
  return with_masks(dense, masks)


@register(
  'ett_permuted_replicas',
  'source',
  'source_rewind',
  label='ETT, masks of replicas permuted',
  colour='#B2182B',
  marker='3',
)
def ett_permuted_replicas(tickets, setting):
  """Figure 4's "Random": replicas' masks permuted, over dense weights."""
  moved, transfer = _transformed(tickets, setting)
  dense = transfer.apply(tickets['source_rewind'], setting.seed)
  layout = Architecture.from_json(moved.architecture).family.layout
  seed = setting.seed_for('ett_permuted_replicas')
  masks = replicas.permute_masks(moved.masks, transfer.plan, seed, layout)
  return with_masks(dense, masks)


def _transformed(tickets: Tickets, setting: Setting) -> tuple[Ticket, Transfer]:
  """The source's ticket on the target, and the steps that took it there."""
  transfer = setting.transfer.settled(tickets['source'], setting.seed)
  return transfer.apply(tickets['source'], setting.seed), transfer


def _reinit_permuted(ticket: Ticket, setting: Setting, permute) -> Ticket:
  draw = generator(setting.seed_for('reinit masks'), 'permute')
  masks = permute(ticket.masks, draw)
  return fresh_under(ticket, setting.seed_for('reinit weights'), masks)
