"""Rules: how source units fill a target of given depths.

A rule is a value, and has a text for configs:

  append                        replicate all units, as a group
  interpolate 1 2               replicate units 1 and 2, copies side by side
  append best 2 by density      replicate the two units of the best score
  squeeze                       keep the earliest units
  keep 1 3 5 7, drop 1 2        keep or drop these
  keep best by magnitude        keep the units of the best score
  reorder 2 1 4 3               another order of the units
  overlap                       depth up-scaling: a first and a last range
  units 1 1 2 2 1 1             the target's units, one by one
  0:0;1:1,2;2:3                 the published syntax; `|` between stages

Steps that follow each other are joined by commas: `interpolate x2, append`
doubles every unit in place, then repeats that group. The last one that resizes
goes to the target's depth, and those before it say how far they go. Rules that
differ by stage are joined by `|`. A stage that need not grow or shrink stays as
it is, whatever units a rule of one step names.

A new kind of step is a dataclass in a file of this package, or anywhere else:
see `Step` and `register`.
"""

from elth_jax.elastic.rules.arranging import Reorder, Units
from elth_jax.elastic.rules.best import Best, Scores, best_units
from elth_jax.elastic.rules.rule import Rule
from elth_jax.elastic.rules.squeezing import Drop, Keep, Squeeze
from elth_jax.elastic.rules.step import (
  RULES,
  Stage,
  Step,
  chosen_units,
  register,
)
from elth_jax.elastic.rules.stretching import Append, Interpolate, Overlap
from elth_jax.elastic.rules.table import Table
from elth_jax.limits import check_argument
from elth_jax.registry import import_modules

__all__ = [
  'RULES',
  'Append',
  'Best',
  'Drop',
  'Interpolate',
  'Keep',
  'Overlap',
  'Reorder',
  'Rule',
  'Scores',
  'Squeeze',
  'Stage',
  'Step',
  'Table',
  'Units',
  'as_rule',
  'best_units',
  'chosen_units',
  'register',
]

import_modules(__name__, __path__)  # registers what a new file brings


def as_rule(rule: str | Rule) -> Rule:
  """The rule that a caller gave, as a value or as text.

  Raises:
    TypeError: if it is neither.
    ValueError: naming the step that cannot be read.
  """
  check_argument(
    'order', rule, (str, Rule), "a rule as text, 'append', or Rule.of(Append())"
  )
  return Rule.parse(rule) if isinstance(rule, str) else rule
