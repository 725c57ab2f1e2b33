"""Rules: plans written as a line of text, for configs and for the papers.

A rule says how source units fill a target of given depths:

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

Steps that follow each other are joined by commas, and all but the last say how
far they go: `interpolate x2, append` doubles every unit in place, then repeats
that group. Rules that differ by stage are joined by `|`. A stage that need not
grow or shrink stays as it is, whatever units a rule names.
"""

import re
from collections.abc import Mapping, Sequence

from elth_jax.elastic.plan import Fixed, Plan
from elth_jax.elastic.tables import (
  overlap_table,
  reorder_table,
  squeeze_table,
  stretch_table,
)
from elth_jax.names import unknown

# kind of score -> stage -> a score for each unit, the best being the largest
Scores = Mapping[str, Mapping[str, Sequence[float]]]

MOST_UNITS = 100_000  # of a stage; a rule that makes more is a slip
STRETCHES = ('append', 'interpolate', 'overlap')
SQUEEZES = ('squeeze', 'keep', 'drop')
_VERBS = (*STRETCHES, *SQUEEZES, 'reorder', 'units')
_STEP = re.compile(
  rf'(?P<verb>{"|".join(_VERBS)})'
  r'(?: (?P<units>\d{1,6}(?: \d{1,6})*))?'
  r'(?: best(?: (?P<count>\d{1,6}))? by (?P<score>\w+))?'
  r'(?: x(?P<times>\d{1,3}))?'
)
_ENTRY = re.compile(r'\d{1,6}:\d{1,6}(,\d{1,6})*')
_UNIT_LISTS = ('append', 'interpolate', 'keep', 'drop', 'reorder', 'units')


def make_plan(
  rule: str,
  have: Mapping[str, int],
  want: Mapping[str, int],
  fixed: Fixed = 1,
  scores: Scores | None = None,
) -> Plan:
  """The plan that a rule writes for these depths.

  Args:
    rule: see the module's docstring.
    have: units in each stage of the source.
    want: units in each stage of the target.
    fixed: units at the start of a stage that stay; see `Layout.fixed`.
    scores: what `best ... by` may name, e.g. from `sparsity.unit_scores`.

  Raises:
    ValueError: naming the stage, if the rule cannot be read or does not lead
      to the target's depths.
  """
  if different := have.keys() ^ want.keys():
    raise ValueError(f'stages {sorted(different)} are not in both networks')
  if ':' in rule:
    plan = Plan.parse(rule, stages=list(have))
    plan.check(have)
    if plan.depths != dict(want):
      raise ValueError(f'{rule!r} makes depths {plan.depths}, not {dict(want)}')
    return plan
  parts = [part.strip() for part in rule.split('|')]
  if len(parts) == 1:
    parts = parts * len(have)
  if len(parts) != len(have):
    raise ValueError(f'{rule!r} has {len(parts)} parts for {len(have)} stages')
  tables = {}
  for (stage, depth), part in zip(have.items(), parts, strict=True):
    stays = fixed.get(stage, 1) if isinstance(fixed, Mapping) else fixed
    mine = {kind: by_stage[stage] for kind, by_stage in (scores or {}).items()}
    tables[stage] = _table(stage, part, depth, want[stage], stays, mine)
  return Plan(tables)


def check_rule(rule: str) -> None:
  """Raises `ValueError`, naming the step, if a rule cannot be read.

  How a published table counts units depends on the family, so whether it is
  complete is known when a plan is made.
  """
  if ':' in rule:
    for entry in filter(None, re.split(r'[;|]', re.sub(r'\s', '', rule))):
      if not _ENTRY.fullmatch(entry):
        raise ValueError(
          f'cannot read {entry!r} in {rule!r}; write source:target[,target...] '
          'with ; between sources and | between stages'
        )
    return
  for part in rule.split('|'):
    for step in part.split(','):
      _read_step(step)


def stretches(rule: str) -> bool:
  """Whether a rule is one that only makes deeper networks."""
  return rule.startswith(STRETCHES)


def squeezes(rule: str) -> bool:
  """Whether a rule is one that only makes shallower networks."""
  return rule.startswith(SQUEEZES)


def best_units(
  scores: Sequence[float], count: int, fixed: int = 1
) -> tuple[int, ...]:
  """The `count` units of the largest scores beyond the fixed, in order.

  Of equal scores the earlier unit is better.

  Raises:
    ValueError: if there are fewer units, or a score is NaN.
  """
  movable = range(fixed, len(scores))
  if not 0 <= count <= len(movable):
    raise ValueError(f'cannot choose {count} of {len(movable)} units')
  if any(score != score for score in scores):
    raise ValueError(f'scores {tuple(scores)} are not all numbers')
  ranked = sorted(movable, key=lambda unit: (-scores[unit], unit))
  return tuple(sorted(ranked[:count]))


def _read_step(text: str) -> re.Match[str]:
  words = text.split()
  step = _STEP.fullmatch(' '.join(words))
  if step is None and (not words or words[0] not in _VERBS):
    raise ValueError(unknown('rule', text.strip(), _VERBS))
  if step is None:
    raise ValueError(
      f'cannot read the rule {text.strip()!r}; units are numbers with spaces '
      'between, as in keep 1 3, or best 2 by density; x2 says how far'
    )
  return step


def _table(
  stage: str,
  rule: str,
  have: int,
  want: int,
  fixed: int,
  scores: Mapping[str, Sequence[float]],
) -> tuple[int, ...]:
  """The table of one stage, its steps composed."""
  table = tuple(range(have))
  steps = rule.split(',')
  for number, text in enumerate(steps):
    step = _read_step(text)
    here = {kind: [s[unit] for unit in table] for kind, s in scores.items()}
    last = number == len(steps) - 1
    one = _step_table(stage, step, len(table), want, fixed, here, last)
    table = tuple(table[unit] for unit in one)
  if len(table) != want:
    raise ValueError(f'{stage}: {rule!r} makes {len(table)} units, not {want}')
  return table


def _step_table(
  stage: str,
  step: re.Match[str],
  have: int,
  want: int,
  fixed: int,
  scores: Mapping[str, Sequence[float]],
  last: bool,
) -> tuple[int, ...]:
  verb, text = step['verb'], step[0]
  resizes = verb in (*STRETCHES, *SQUEEZES) and not step['times']
  if last and resizes and want == have:
    return tuple(range(have))
  fixed = min(fixed, have)
  units = _units(stage, step, have, want, fixed, scores)
  if step['times'] and verb not in ('append', 'interpolate'):
    raise ValueError(f'{stage}: {text!r}: only append and interpolate take x')
  if verb in ('append', 'interpolate'):
    chosen = have - fixed if units is None else len(units)
    if step['times']:
      want = have + (int(step['times']) - 1) * chosen
      if want > MOST_UNITS:  # several such steps in a row grow exponentially
        raise ValueError(
          f'{stage}: {text!r} makes {want} units; at most {MOST_UNITS}'
        )
    elif not last:
      raise ValueError(f'{stage}: {text!r} is not last: say how far, as in x2')
    return stretch_table(stage, have, want, verb, units, fixed)  # pyrefly: ignore
  if verb in ('reorder', 'units', 'drop') and units is None:
    raise ValueError(f'{stage}: {text!r} must name units')
  if verb == 'reorder':
    return reorder_table(stage, have, units or (), fixed)
  if verb == 'units':
    if wrong := [unit for unit in units or () if not fixed <= unit < have]:
      raise ValueError(f'{stage}: {text!r} names {wrong}, of {have} units')
    return (*range(fixed), *(units or ()))
  if verb == 'overlap':
    return overlap_table(stage, have, want, fixed)
  if verb == 'drop':
    want = want if last else have - len(units or ())
    return squeeze_table(stage, have, want, None, units, fixed)
  want = want if last or units is None else fixed + len(units)
  return squeeze_table(stage, have, want, units, None, fixed)


def _units(
  stage: str,
  step: re.Match[str],
  have: int,
  want: int,
  fixed: int,
  scores: Mapping[str, Sequence[float]],
) -> tuple[int, ...] | None:
  """The units that a step names, or `None`."""
  verb, kind = step['verb'], step['score']
  named = step['units']
  if (named or kind) and verb not in _UNIT_LISTS:
    raise ValueError(f'{stage}: {step[0]!r}: {verb} takes no units')
  if kind is None:
    return tuple(map(int, named.split())) if named else None
  if named or verb in ('reorder', 'units'):
    raise ValueError(f'{stage}: {step[0]!r}: give units, or best ... by')
  if kind not in scores:
    raise ValueError(
      f'{stage}: {step[0]!r} needs the score {kind!r}; given are '
      f'{sorted(scores) or "none"}'
    )
  if step['count'] is None and verb != 'keep':
    raise ValueError(f'{stage}: {step[0]!r}: say how many, as in best 2 by')
  count = int(step['count'] or max(want - fixed, 0))
  try:
    return best_units(scores[kind], count, fixed)
  except ValueError as error:
    raise ValueError(f'{stage}: {step[0]!r}: {error}') from None
