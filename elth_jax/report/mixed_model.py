"""A mixed model beside the t-test of a claim of several pairs."""

from collections.abc import Sequence

from elth_jax.report.comparison import Comparison
from elth_jax.report.pairs import level_of
from elth_jax.statistics.mixed import (
  FEWEST,
  MixedModelError,
  Observation,
  is_installed,
  mixed_difference,
)
from elth_jax.study.claims import Claim


def mixed_model(claim: Claim, pairs: Sequence[Comparison]) -> str:
  """A mixed model's difference, in words; empty where there is none.

  Of a single pair it would say nothing that the t-test does not. One network
  in pairs of several levels, as a dense one is, would count several times.
  """
  fewest = min(pair.test.replicates for pair in pairs)
  numbers = any(pair.worse.exact for pair in pairs)  # no networks
  contrasts = claim.growing or claim.against
  if len(pairs) == 1 or fewest < FEWEST or numbers or contrasts:
    return ''
  strata: dict[int, str] = {}
  for pair in pairs:
    for cell in (pair.better, pair.worse):
      if strata.setdefault(id(cell), _stratum(pair)) != _stratum(pair):
        return ''
  if not is_installed():  # `reproduction` says so, once
    return ''
  found = {
    (id(cell), replicate): Observation(
      100 * value,
      cell is pair.better,
      _stratum(pair),
      replicate,
      cell.ticket,
    )
    for pair in pairs
    for cell in (pair.better, pair.worse)
    for replicate, value in cell.outcomes.items()
  }
  try:
    mean, margin = mixed_difference(list(found.values()))
  except MixedModelError as error:
    return str(error)
  return f'mixed model: {mean:+.2f} ± {margin:.2f}'


def _stratum(pair: Comparison) -> str:
  """The network and the level that a pair is about."""
  return f'{pair.better.target} {level_of((pair.better, pair.worse))}'
