"""When, with what and on what a study was started: sessions.jsonl."""

import json
import platform
import time
from typing import Any

import jax

from elth_jax.manifest import with_hash, without_hash
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
    file.write(json.dumps(with_hash(line)) + '\n')
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


def starts(text: str) -> list[dict[str, Any] | None]:
  """One entry a line; `None` for a line that is damaged or was cut short."""
  found: list[dict[str, Any] | None] = []
  for line in text.removesuffix('\n').split('\n') if text else ():
    try:
      found.append(without_hash(json.loads(line)))
    except ValueError:
      found.append(None)
  return found


def _last(text: str) -> dict[str, Any]:
  """The ground of the last line that is whole."""
  whole = [start for start in starts(text) if start]
  return whole[-1]['ground'] if whole else {}
