"""Jaxprs: what a function executes, as JAX writes it down."""

from collections.abc import Iterator, Mapping
from typing import Any

from jax.extend import core


def inner_jaxprs(params: Mapping[str, Any]) -> Iterator[core.Jaxpr]:
  """The jaxprs among an equation's parameters, such as a loop's body.

  The same as `jax.extend.core.jaxprs_in_params`, which jax 0.7 does not have.
  """
  for value in params.values():
    for one in value if isinstance(value, tuple) else (value,):
      if isinstance(one, core.ClosedJaxpr):
        yield one.jaxpr
      elif isinstance(one, core.Jaxpr):
        yield one
