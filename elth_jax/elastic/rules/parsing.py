"""The text of one step: a verb, perhaps with units and times."""

import re
from typing import Any

from elth_jax.elastic.rules.best import Best
from elth_jax.elastic.rules.step import RULES, Step
from elth_jax.names import unknown

_STEP = re.compile(
  r'(?P<verb>\w+)'
  r'(?: (?P<units>\d{1,6}(?: \d{1,6})*))?'
  r'(?P<best> best(?: (?P<count>\d{1,6}))? by (?P<by>\w+))?'
  r'(?: x(?P<times>\d{1,3}))?'
)


def read_step(text: str) -> Step:
  """Reads one step, such as `append best 2 by density x2`.

  Raises:
    ValueError: naming the step, if its verb is unknown or does not take what
      it is given.
  """
  words = text.split()
  found = _STEP.fullmatch(' '.join(words))
  if not words or words[0] not in RULES:
    raise ValueError(unknown('rule', text.strip(), RULES))
  if found is None:
    raise ValueError(
      f'cannot read the rule {text.strip()!r}; units are numbers with spaces '
      'between, as in keep 1 3, or best 2 by density; x2 says how far'
    )
  options: dict[str, Any] = {}
  if found['units'] and found['best']:
    raise ValueError(f'{found[0]!r}: give units, or best ... by')
  if found['units']:
    options['units'] = tuple(map(int, found['units'].split()))
  if found['best']:
    count = found['count']
    options['units'] = Best(None if count is None else int(count), found['by'])
  if found['times']:
    options['times'] = int(found['times'])
  return _made(RULES[found['verb']], options, found[0])


def _made(kind: type[Step], options: dict[str, Any], text: str) -> Step:
  """The step, once it is clear that its verb takes what the text gives."""
  takes = kind.takes()
  if 'units' in options.keys() - takes.keys():
    raise ValueError(f'{text!r}: {kind.verb} takes no units')
  if 'times' in options.keys() - takes.keys():
    repeated = [verb for verb, one in RULES.items() if 'times' in one.takes()]
    raise ValueError(f'{text!r}: only {" and ".join(repeated)} take x')
  if 'units' in takes:
    options.setdefault('units', None)
  return kind(**options)
