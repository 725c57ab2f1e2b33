"""Whether the names of a study are known: methods, data sets and rules.

Apart from `spec`, since it loads every method, data set and kind of step.
"""

from elth_jax.datasets import DATASETS
from elth_jax.methods import METHODS
from elth_jax.names import unknown
from elth_jax.study.spec import StudySpec
from elth_jax.transfers.step import reader_of


def check_names(spec: StudySpec) -> None:
  """Checks every name that a config gives.

  Raises:
    ValueError: with the nearest known name.
  """
  for name in (*spec.methods, *spec.analyses.connectivity):
    if name not in METHODS:
      raise ValueError(unknown('method', name, METHODS))
  for rule in spec.orders:
    reader_of(rule)
  for name in spec.recipe_on:
    if name not in DATASETS:
      raise ValueError(f'recipe_on: {unknown("dataset", name, DATASETS)}')
