"""Executors by name: they carry batches of nodes to where they are done.

A new executor is a new module here, which registers its entry in `EXECUTORS`;
it is found. Nothing else of a study knows which one runs it.
"""

from elth_jax.registry import import_modules
from elth_jax.runner.executors.registry import (
  EXECUTORS,
  Executor,
  ExecutorContext,
  ExecutorEntry,
  check_options,
)

__all__ = [
  'EXECUTORS',
  'Executor',
  'ExecutorContext',
  'ExecutorEntry',
  'check_options',
]

import_modules(__name__, __path__)
