"""Model families: networks by name, their units, and what is prunable.

A new family is a new module here, which calls `register`; it is found.
"""

from elth_jax.families.architecture import (
  Architecture,
  architecture,
)
from elth_jax.families.family import FAMILIES, Family, pretty, register
from elth_jax.families.from_nnx import from_nnx
from elth_jax.families.plans import plan_between, published_plan
from elth_jax.families.published_plans import PlanSyntax
from elth_jax.registry import import_modules

__all__ = [
  'FAMILIES',
  'Architecture',
  'Family',
  'PlanSyntax',
  'architecture',
  'from_nnx',
  'plan_between',
  'pretty',
  'published_plan',
  'register',
]

import_modules(__name__, __path__)
