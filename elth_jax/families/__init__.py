"""Model families: networks by name, their units, and what is prunable."""

from elth_jax.families.architecture import (
  Architecture,
  architecture,
  plan_between,
)
from elth_jax.families.family import FAMILIES, Family, register

__all__ = [
  'FAMILIES',
  'Architecture',
  'Family',
  'architecture',
  'plan_between',
  'register',
]
