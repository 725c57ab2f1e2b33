"""Elastic Ticket Transformations: pure functions over trees; jax and numpy."""

from elth_jax.elastic.layout import Layout
from elth_jax.elastic.plan import Plan
from elth_jax.elastic.stretch import squeeze_tree, stretch_tree

__all__ = ['Layout', 'Plan', 'squeeze_tree', 'stretch_tree']
