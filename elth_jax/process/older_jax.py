"""What jax 0.7 lacks, or has under another name.

Colab's runtimes come with it.
"""

import importlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any

import jax
from jax.extend import core


def enable_x64() -> AbstractContextManager[Any]:
  """`jax.enable_x64(True)`: 64-bit numbers within the context."""
  if hasattr(jax, 'enable_x64'):
    return jax.enable_x64(True)
  older: Any = importlib.import_module('jax.experimental')
  return older.enable_x64(True)


def inner_jaxprs(params: Mapping[str, Any]) -> Iterator[core.Jaxpr]:
  """The jaxprs among an equation's parameters, such as a loop's body.

  The same as `jax.extend.core.jaxprs_in_params`.
  """
  for value in params.values():
    for one in value if isinstance(value, tuple) else (value,):
      if isinstance(one, core.ClosedJaxpr):
        yield one.jaxpr
      elif isinstance(one, core.Jaxpr):
        yield one
