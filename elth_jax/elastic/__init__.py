"""Elastic Ticket Transformations: pure functions over trees; jax and numpy."""

from elth_jax.elastic.layout import Layout
from elth_jax.elastic.plan import Plan
from elth_jax.elastic.stretch import squeeze_tree, stretch_tree
from elth_jax.registry import modules_when_used

__all__ = ['Layout', 'Plan', 'squeeze_tree', 'stretch_tree']

__getattr__ = modules_when_used(__name__)
