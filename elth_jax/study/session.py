"""`run`, under the name by which scripts and notebooks import it.

It is found when it is asked for, since `runner` lies above `study`.
"""

import importlib
from typing import Any


def __getattr__(name: str) -> Any:
  return getattr(importlib.import_module('elth_jax.runner.session'), name)
