"""Analyses of tickets and trained networks, as pure functions over trees."""

from elth_jax.analysis.connectivity import barrier, interpolate
from elth_jax.analysis.overlap import Overlap, overlap, unit_overlap

__all__ = ['Overlap', 'barrier', 'interpolate', 'overlap', 'unit_overlap']
