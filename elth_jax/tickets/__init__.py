"""Tickets: values, transformations, files."""

from elth_jax.registry import modules_when_used

__getattr__ = modules_when_used(__name__)
