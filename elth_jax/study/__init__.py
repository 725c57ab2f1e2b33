"""Studies: graphs of training runs, each done once and kept."""

from elth_jax.registry import modules_when_used

__getattr__ = modules_when_used(__name__)
