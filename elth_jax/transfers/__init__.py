"""Transfers of tickets: steps of depth, width, head, images, data, optimiser.

A new kind of step is one file: a subclass of `Step`, under `register`. Every
file of this package is imported here, so that its steps are known.
"""

from elth_jax.registry import import_modules

import_modules(__name__, __path__)

from elth_jax.transfers.step import STEPS, Place, Step, register  # noqa: E402
from elth_jax.transfers.transfer import (  # noqa: E402
  Transfer,
  in_words,
  origins,
  suffix,
  transfers_between,
)

__all__ = [
  'STEPS',
  'Place',
  'Step',
  'Transfer',
  'in_words',
  'origins',
  'register',
  'suffix',
  'transfers_between',
]
