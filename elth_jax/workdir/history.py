"""When, with what and on what a study was started: sessions.jsonl."""

import json
import platform
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax

from elth_jax.storage.files import utf8, writing
from elth_jax.storage.manifest import with_hash, without_hash
from elth_jax.versions import code, versions
from elth_jax.workdir.store import Store

NAME = 'sessions.jsonl'


def note_start(
  store: Store, command: str, taken: Sequence[str] = ()
) -> list[str]:
  """Adds this start to the history; returns notes on earlier starts.

  Other versions or devices are no reason to refuse: what is finished stays as
  it is, and says with what it was made. Damaged lines are set aside.

  Args:
    store: the workdir.
    command: by which it was started.
    taken: notes of what was taken from other workdirs.
  """
  path = store.root / NAME
  found = starts(path)
  whole = [start for start in found if start]
  notes = []
  if len(whole) < len(found):
    aside = store.set_aside(path)
    notes.append(f'{path} had damaged lines; it was copied to {aside}')
    store.write(NAME, ''.join(map(_line, whole)))
  environment = {
    **versions(),
    'kernels': store.kernels or "XLA's",
    'code': code(),
    'python': platform.python_version(),
    'devices': f'{jax.device_count()} {jax.default_backend()}',
  }
  before = whole[-1]['ground'] if whole else {}
  line: dict[str, Any] = {
    'time': time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime()),
    'command': command,
    'host': platform.node(),
    'machine': platform.machine(),
    'ground': environment,
  }
  if taken:
    line['taken'] = [*taken]
  with writing(path), path.open('ab') as file:
    file.write(utf8(_line(line)))
  changed = [
    f'{name} was {before[name]}, now {value}'
    for name, value in environment.items()
    if before.get(name, value) != value
  ]
  if changed:
    notes.append(
      f'{", ".join(changed)}, since the last start: what is finished is kept, '
      'and what is still to come may differ in rounding'
    )
  return notes


def starts(path: Path) -> list[dict[str, Any] | None]:
  """One entry a line; `None` for a line that is damaged or was cut short."""
  if not path.is_file():
    return []
  found: list[dict[str, Any] | None] = []
  for line in path.read_bytes().splitlines(keepends=True):
    try:
      whole = line if line.endswith(b'\n') else b''
      found.append(without_hash(json.loads(whole)))
    except ValueError:
      found.append(None)
  return found


def _line(start: Mapping[str, Any]) -> str:
  return json.dumps(with_hash(start)) + '\n'
