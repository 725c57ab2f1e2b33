"""Ticket cards: what a ticket is, in Markdown with figures, beside its file."""

import io
import json
from pathlib import Path
from typing import Any

import jinja2

from elth_jax import masks as masks_lib
from elth_jax.storage.files import local_path, write_atomically
from elth_jax.tickets.card_metadata import CardFacts, metadata
from elth_jax.tickets.drawing import in_network_order, layer_sparsity
from elth_jax.tickets.value import SparseNetwork

CARD, FIGURE = 'README.md', 'sparsity.png'
LONGEST = 300  # characters of a value


def write_card(
  ticket: SparseNetwork,
  folder: Path | str,
  file: str = '',
  *,
  facts: CardFacts = CardFacts(),
  beside: SparseNetwork | None = None,
  beside_file: str = '',
) -> None:
  """Writes README.md and its figures into a folder.

  Whatever the ticket says of itself is shown as text, never as markup.

  Args:
    ticket: what is described.
    folder: where the card goes; it is made if need be.
    file: the name of the ticket's file there, for the lines that load it.
    facts: what the ticket does not know: licence, data sets, base model.
    beside: the same network in its other state, if its file is there too.
    beside_file: the name of that file.
  """
  folder = local_path(folder, 'folder')
  densities = masks_lib.layer_densities(in_network_order(ticket.masks))
  if densities:
    figure = layer_sparsity(
      {f'{ticket.sparsity:.2%} in all': densities}, 'Sparsity by layer'
    )
    png = io.BytesIO()
    figure.savefig(png, format='png', dpi=160)
    write_atomically(folder / FIGURE, png.getvalue())
  kept, prunable = masks_lib.counts(ticket.masks)
  states = {one.state: one for one in (ticket, beside) if one is not None}
  trained = states.get('trained')
  environment = jinja2.Environment(
    loader=jinja2.PackageLoader('elth_jax.tickets', '.'),
    trim_blocks=True,
    lstrip_blocks=True,
  )
  environment.filters['code'] = _code
  text = environment.get_template('card.md').render(
    title=_title(ticket),
    metadata=metadata(ticket, _title(ticket), facts, trained),
    command=facts.command,
    beside=beside,
    beside_file=beside_file,
    ticket=ticket,
    kept=kept,
    prunable=prunable,
    rows=dict(_facts(ticket)),
    figure=FIGURE if densities else '',
    file=file,
  )
  write_atomically(folder / CARD, text)


def _title(ticket: SparseNetwork) -> str:
  name = str(ticket.architecture.get('name', 'network'))
  safe = ''.join(c for c in name if c.isalnum() or c in '-_ ')
  return f'Ticket of {safe[:60]} at {ticket.sparsity:.2%} sparsity'


def _facts(ticket: SparseNetwork):
  """What is known, the most asked for first."""
  first = ('method', 'level', 'source', 'target', 'order', 'plan', 'dataset')
  said: dict[str, Any] = {**ticket.architecture, **ticket.provenance}
  said.pop('replicate', None)  # of the study that made it; the seed says it all
  for name in (*first, *sorted(said.keys() - set(first))):
    if said.get(name) not in (None, '', [], {}):
      yield name, said[name]


def _code(value: Any) -> str:
  """A value as code in a cell of a table; nothing in it ends the cell."""
  text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
  text = ' '.join(text.replace('`', "'").replace('|', '/').split())
  if len(text) > LONGEST:
    text = f'{text[:LONGEST]}...'
  return f'`{text}`'
