"""What the compilers of TPU and GPU make of training, without a device.

  pip install --no-deps --target DIR ...     # what the extra `aot` lists
  PYTHONPATH=.:DIR python benchmarks/compiled.py [--record] [NAME ...]

Prints a line for each program of `tests/test_aot.py` (or those whose name has
NAME in it): a v5e program takes half a minute of a core, an H100 one less, a
ResNet-34 on several devices three times as long. `--record` writes the figures
that the tests compare with. `--backend` compiles in another form.
"""

import argparse
import dataclasses
import json
import os
from importlib import metadata
from pathlib import Path

import measure

from elth_jax import aot

COMPILERS = {'v5e': ('jax', 'libtpu'), 'h100': ('jax', 'jax-cuda13-plugin')}
RECORDED = Path(__file__).parent.parent / 'tests/data/compiled.json'
HEAD = [
  'program',
  'form',
  'compiled in, s',
  'memory, MB',
  'bytes a step, MB',
  'cycles a step, M',
  'convolutions',
]


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('names', nargs='*')
  parser.add_argument('--record', action='store_true')
  parser.add_argument('--backend', default='')
  arguments = parser.parse_args()
  os.environ.setdefault('JAX_PLATFORMS', 'cpu')
  print(measure.table(HEAD, []), flush=True)
  for case in (*aot.QUICK_CASES, *aot.SLOW_CASES):
    wanted = arguments.names or ['']
    if not any(name in str(case) for name in wanted):
      continue
    case = dataclasses.replace(case, backend=arguments.backend)
    try:
      found = case.compile(('segment',))['segment']
    except aot.MissingCompilerError as error:
      print(f'{case}: {error}', flush=True)
      continue
    print(measure.table_line(_row(case, found)), flush=True)
    if arguments.record:
      _record(case, found)


def _row(case: aot.Case, found: aot.CompiledProgram) -> list[object]:
  step = found.step
  kinds = sorted(found.convolutions.items())
  return [
    case,
    found.form,
    f'{found.seconds:.0f}',
    round(found.memory / 1e6),
    round(step.bytes / 1e6),
    f'{step.cycles / 1e6:.2f}' if step.cycles else '',
    ', '.join(f'{count} {kind}' for kind, count in kinds),
  ]


def _record(case: aot.Case, found: aot.CompiledProgram) -> None:
  versions = {name: metadata.version(name) for name in COMPILERS[case.device]}
  known = json.loads(RECORDED.read_text('utf-8')) if RECORDED.exists() else {}
  known[str(case)] = {'compilers': versions, **found.figures()}
  text = json.dumps(dict(sorted(known.items())), indent=2)
  RECORDED.write_text(text + '\n', 'utf-8')


if __name__ == '__main__':
  main()
