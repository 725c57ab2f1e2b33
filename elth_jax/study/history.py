"""When, with what and on what a study was started: sessions.jsonl."""

import json
import platform
import time
from typing import Any

import jax

from elth_jax.study.store import Store
from elth_jax.versions import code, versions

NAME = 'sessions.jsonl'


def note_start(store: Store, command: str) -> list[str]:
  """Adds this start to the history; what differs from the one before.

  Other versions or devices are no reason to refuse: what is finished stays as
  it is, and says with what it was made.
  """
  path = store.root / NAME
  ground = {
    **versions(),
    'code': code(),
    'python': platform.python_version(),
    'devices': f'{jax.device_count()} {jax.default_backend()}',
  }
  before = _last(path.read_text() if path.is_file() else '')
  line = {
    'time': time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime()),
    'command': command,
    'host': platform.node(),
    'machine': platform.machine(),
    'ground': ground,
  }
  with path.open('a') as file:
    file.write(json.dumps(line) + '\n')
  changed = [
    f'{name} was {before[name]}, now {value}'
    for name, value in ground.items()
    if before.get(name, value) != value
  ]
  if not changed:
    return []
  return [
    f'{", ".join(changed)}, since the last start: what is finished is kept, '
    'and what is still to come may differ in rounding'
  ]


def _last(text: str) -> dict[str, Any]:
  """The ground of the last line that is whole."""
  for line in reversed(text.splitlines()):
    try:
      return dict(json.loads(line)['ground'])
    except (ValueError, LookupError, TypeError):
      continue
  return {}
