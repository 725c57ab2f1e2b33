"""A mixed model over replicates and source tickets, by statsmodels."""

import dataclasses
import importlib.util
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

FEWEST = 8  # replicates; with less, variances of random effects are guesses


class MixedModelError(Exception):
  """No mixed model: says why."""


def is_installed() -> bool:
  """Whether statsmodels is there."""
  return importlib.util.find_spec('statsmodels') is not None


@dataclasses.dataclass(frozen=True)
class Observation:
  """One trained network.

  Attributes:
    value: what was measured.
    better: whether it is of the side that is claimed to be better.
    stratum: the target and level, which all sides share.
    replicate: its number.
    ticket: the source ticket that it goes back to.
  """

  value: float
  better: bool
  stratum: str
  replicate: int
  ticket: str


def mixed_difference(
  found: Sequence[Observation], confidence: float = 0.95
) -> tuple[float, float]:
  """The difference between two sides, and half the width of its interval.

  Sides and strata are fixed effects, replicates and the tickets of each
  replicate random ones; tickets only where a replicate has several and one of
  them was trained more than once, since else nothing tells them from the
  replicate, or from what is left. Restricted maximum likelihood, with Wald's
  interval.

  Raises:
    ImportError: if statsmodels is not installed.
    MixedModelError: if there are fewer than eight replicates, or the fit does
      not converge.
  """
  if len({one.replicate for one in found}) < FEWEST:
    raise MixedModelError(f'a mixed model needs {FEWEST} replicates')
  import pandas
  from statsmodels.formula.api import mixedlm

  table = pandas.DataFrame([dataclasses.asdict(one) for one in found])
  # labels that say nothing cannot be taken for code of a formula
  for name in ('stratum', 'replicate', 'ticket'):
    table[name] = np.unique(table[name].astype(str), return_inverse=True)[1]
  table['better'] = table['better'].astype(float)
  strata = ' + C(stratum)' if table['stratum'].nunique() > 1 else ''
  trained = table.groupby(['replicate', 'ticket']).size()
  apart = trained.max() > 1 and trained.groupby('replicate').size().max() > 1
  model = mixedlm(
    f'value ~ better{strata}',
    table,
    groups='replicate',
    re_formula='1',  # what all networks of a replicate share
    vc_formula={'ticket': '0 + C(ticket)'} if apart else None,
  )
  return _fitted(model, confidence, float(table['value'].std()))


def _fitted(
  model: Any, confidence: float, spread: float
) -> tuple[float, float]:
  with warnings.catch_warnings():
    warnings.simplefilter('ignore')  # of variances at 0, which is an answer
    try:
      fit = model.fit(reml=True, method=['lbfgs', 'powell'])
    except ValueError as error:
      raise MixedModelError('the mixed model did not converge') from error
    low, high = fit.conf_int(1 - confidence).loc['better']
  mean = float(fit.params['better'])
  margin = float(high - low) / 2
  # a margin of nothing beside the spread is that of a fit that went astray
  sound = np.isfinite(margin) and margin > 1e-3 * spread
  if not fit.converged or not sound:
    raise MixedModelError('the mixed model did not converge')
  return mean, margin
