"""Model families: networks by name, their units, and what is prunable."""

from elth_jax.families.architecture import (
  Architecture,
  architecture,
  plan_between,
  published_plan,
)
from elth_jax.families.family import FAMILIES, Family, pretty, register
from elth_jax.families.published_plans import PlanSyntax

__all__ = [
  'FAMILIES',
  'Architecture',
  'Family',
  'PlanSyntax',
  'architecture',
  'plan_between',
  'pretty',
  'published_plan',
  'register',
]
