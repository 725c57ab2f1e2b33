"""Whether the names of a study are known: methods, data sets and rules.

Apart from `spec`, since it loads every method, data set and kind of step.
"""

from elth_jax import datasets
from elth_jax.methods import METHODS
from elth_jax.study.spec import StudySpec
from elth_jax.transfers.step import read_rule


def check_names(spec: StudySpec) -> None:
  """Checks every name that a config gives.

  Raises:
    ValueError: with the nearest known name.
  """
  for name in (*spec.methods, *spec.analyses.connectivity):
    METHODS.find(name)
  for rule in spec.orders:
    read_rule(rule)
  for name, rules in spec.orders_of.items():
    if not METHODS.find(name).from_source:
      raise ValueError(f'orders_of: {name} takes no ticket from elsewhere')
    if not rules:
      raise ValueError(f'orders_of.{name} is empty; leave {name} out')
    for rule in rules:
      read_rule(rule)
  for name in spec.recipe_on:
    try:
      datasets.find(name)
    except ValueError as error:
      raise ValueError(f'recipe_on: {error}') from None
