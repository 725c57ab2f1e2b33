"""What more training alone does: as long as IMP's search and training took.

At level k, IMP has trained a network k + 1 times. Where training is short, that
helps any network; these methods say how much.
"""

from elth_jax.methods.registry import register
from elth_jax.methods.reinit import random


@register(
  'dense_longer',
  'rewind',
  label='Dense, as long as IMP',
  times='search',
  colour='#939393',
  marker='1',
)
def dense_longer(tickets, setting):
  """The dense network, trained as long as IMP took to this level."""
  del setting
  return tickets['rewind']


@register(
  'random_longer',
  'rewind',
  'imp',
  label='Random, as long as IMP',
  count_only=('imp',),
  times='search',
  colour='#4393C3',
  marker='x',
)
def random_longer(tickets, setting):
  """Random, trained as long as IMP took to this level."""
  return random(tickets, setting)
