"""Elastic lottery tickets in JAX.

The names below are imported when they are first used, so that the pure
functions over trees load jax and numpy alone.
"""

import importlib
from typing import TYPE_CHECKING

from elth_jax._version import __version__ as __version__

if TYPE_CHECKING:
  from elth_jax.elastic.layout import Layout
  from elth_jax.elastic.plan import Plan
  from elth_jax.elastic.stretch import squeeze_tree, stretch_tree
  from elth_jax.runner.session import run
  from elth_jax.runner.study import Study
  from elth_jax.tickets.explanation import explain
  from elth_jax.tickets.ticket import Ticket
  from elth_jax.training.recipe import Recipe
  from elth_jax.training.single import train

_HOMES = {
  'Layout': 'elth_jax.elastic.layout',
  'Plan': 'elth_jax.elastic.plan',
  'Recipe': 'elth_jax.training.recipe',
  'Study': 'elth_jax.runner.study',
  'Ticket': 'elth_jax.tickets.ticket',
  'explain': 'elth_jax.tickets.explanation',
  'run': 'elth_jax.runner.session',
  'squeeze_tree': 'elth_jax.elastic.stretch',
  'stretch_tree': 'elth_jax.elastic.stretch',
  'train': 'elth_jax.training.single',
}
__all__ = [
  'Layout',
  'Plan',
  'Recipe',
  'Study',
  'Ticket',
  'explain',
  'run',
  'squeeze_tree',
  'stretch_tree',
  'train',
]


_PACKAGES = (
  'analysis',
  'aot',
  'datasets',
  'dynamic',
  'elastic',
  'families',
  'masks',
  'methods',
  'optim',
  'pruners',
  'study',
  'tickets',
  'training',
  'transfers',
)


def __getattr__(name: str):
  if name in _PACKAGES:
    return importlib.import_module(f'elth_jax.{name}')
  if name not in _HOMES:
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
  return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__():
  return [*__all__, *_PACKAGES]
