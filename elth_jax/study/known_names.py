"""Whether the names of a study are known: methods and data sets.

Apart from `spec`, since it loads every method and data set.
"""

from elth_jax.datasets import DATASETS
from elth_jax.methods import METHODS
from elth_jax.names import unknown
from elth_jax.study.spec import StudySpec


def check_names(spec: StudySpec) -> None:
  """Checks every name that a config gives.

  Raises:
    ValueError: with the nearest known name.
  """
  for name in (*spec.methods, *spec.analyses.connectivity):
    if name not in METHODS:
      raise ValueError(unknown('method', name, METHODS))
  for name in spec.recipe_on:
    if name not in DATASETS:
      raise ValueError(f'recipe_on: {unknown("dataset", name, DATASETS)}')
