"""Tests and intervals over replicates, on plain numbers."""

from elth_jax.statistics.difference import Difference, sum_of_means
from elth_jax.statistics.holm import holm
from elth_jax.statistics.power import replicates_needed

__all__ = ['Difference', 'holm', 'replicates_needed', 'sum_of_means']
