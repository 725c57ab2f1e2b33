"""The structure of the package: docs/architecture.md says what imports what."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / 'elth_jax'


def order() -> dict[str, int]:
  """Package or module at the top -> its line in the list, from above."""
  text = (ROOT / 'docs/architecture.md').read_text('utf-8')
  (block,) = re.findall(r'```order\n(.*?)```', text, re.S)
  return {
    name: number
    for number, line in enumerate(block.splitlines())
    for name in line.split()
  }


def modules() -> dict[str, Path]:
  found = {}
  for path in PACKAGE.rglob('*.py'):
    parts = path.relative_to(ROOT).with_suffix('').parts
    found['.'.join(parts).removesuffix('.__init__')] = path
  return found


def imports(path: Path, known: dict[str, Path]) -> set[str]:
  """Modules of this package that any statement of a file imports."""
  found = set()
  for node in ast.walk(ast.parse(path.read_text('utf-8'))):
    if isinstance(node, ast.Import):
      found |= {alias.name for alias in node.names}
    elif isinstance(node, ast.ImportFrom):
      assert node.level == 0, f'{path}: write imports from elth_jax in full'
      for alias in node.names:
        whole = f'{node.module}.{alias.name}'
        found.add(whole if whole in known else str(node.module))
  return {name for name in found if name in known}


def graph() -> dict[str, set[str]]:
  known = modules()
  return {name: imports(path, known) - {name} for name, path in known.items()}


def home(module: str) -> str:
  """What the order lists: a package, or a module at the top."""
  parts = module.split('.')
  return parts[1] if len(parts) > 1 else parts[0]


def imports_up(found: dict[str, set[str]], lines: dict[str, int]) -> list[str]:
  return sorted(
    f'{module} imports {other}'
    for module, others in found.items()
    for other in others
    if home(module) != home(other) and lines[home(module)] >= lines[home(other)]
  )


def cycle(found: dict[str, set[str]]) -> list[str]:
  """The modules of one cycle; empty if there is none."""
  left = {name: set(others) for name, others in found.items()}
  while left:
    free = [name for name, others in left.items() if not others & left.keys()]
    if not free:
      return sorted(left)
    for name in free:
      del left[name]
  return []


def test_imports_point_down_the_order_and_there_are_no_cycles():
  found, lines = graph(), order()
  assert {home(module) for module in found} == lines.keys()
  up, around = imports_up(found, lines), cycle(found)
  tops = [path for path in PACKAGE.glob('*.py') if path.stem[:2] != '__']
  sizes = sorted(
    len(path.read_text('utf-8').splitlines()) for path in modules().values()
  )
  print(
    f'cycles {len(around)}, imports up {len(up)}, packages '
    f'{len(lines) - len(tops)}, modules at the top {len(tops)}, median module '
    f'{sizes[len(sizes) // 2]} lines, largest {sizes[-1]}'
  )
  assert not up and not around
  assert len(tops) <= 12


def test_the_checks_see_what_they_are_for(tmp_path):
  lines = {'high': 0, 'low': 1}
  assert imports_up({'e.low.a': {'e.high.b'}}, lines)
  assert not imports_up({'e.high.b': {'e.low.a'}}, lines)
  assert cycle({'a': {'b'}, 'b': {'c'}, 'c': {'b'}}) == ['a', 'b', 'c']
  assert cycle({'a': {'b'}, 'b': set()}) == []
  hidden = tmp_path / 'x.py'
  hidden.write_text('def f():\n  from elth_jax import masks\n')
  assert imports(hidden, modules()) == {'elth_jax.masks'}


@pytest.mark.parametrize('module', sorted(order()))
def test_every_module_of_the_order_is_described(module):
  text = (ROOT / 'docs/architecture.md').read_text('utf-8')
  described = text[text.index('## What lives where') :]
  assert module in ('elth_jax', '_version') or re.search(
    rf'`{module}/?`', described
  )


# described as a whole: modules of a kind, or few
WHOLE = {
  *('analysis', 'datasets', 'dynamic', 'families', 'methods', 'pruners'),
  'transfers',
}


def described(package: str) -> str:
  """The row of a package in the table of what lives where."""
  text = (ROOT / 'docs/architecture.md').read_text('utf-8')
  rows = re.findall(r'^\| (.*?) \| (.*) \|$', text, re.M)
  (row,) = [what for where, what in rows if f'`{package}/`' in where]
  return row


@pytest.mark.parametrize(
  'package', sorted(path.parent.name for path in PACKAGE.glob('*/__init__.py'))
)
def test_every_module_of_a_package_is_described(package):
  named = set(re.findall(r'`(\w+)/?`', described(package)))
  named |= {f'{word}{end}' for word in named for end in ('s', 'es')}
  there = {
    path.stem
    for path in (PACKAGE / package).iterdir()
    if (path.is_dir() or path.suffix == '.py') and path.name[0] != '_'
  }
  assert package in WHOLE or not there - named


HEAVY = {
  'absl',
  'chex',
  'flax',
  'grain',
  'jax',
  'matplotlib',
  'ml_collections',
  'numpy',
  'optax',
  'orbax',
  'PIL',
  'rich',
  'safetensors',
  'scipy',
  'sklearn',
  'tensorflow_datasets',
}
TREES = {'jax', 'numpy'}
CONFIG = TREES | {'absl', 'ml_collections', 'optax'}  # absl is optax's


@pytest.mark.parametrize(
  ('statement', 'allowed'),
  [
    ('import elth_jax', set()),
    ('import elth_jax.__main__', set()),
    ('from elth_jax.cli import commands; commands.parser()', set()),
    ('from elth_jax import stretch_tree, squeeze_tree, Plan, Layout', TREES),
    ('from elth_jax import masks', TREES),
    ('import elth_jax.study.config', CONFIG),
    ('import elth_jax.training.recipe', CONFIG),
    ('import configs.digits; configs.digits.get_config()', CONFIG),
    (
      'import configs.digits_methods; configs.digits_methods.get_config()',
      CONFIG,
    ),
  ],
)
def test_light_imports_load_few_libraries(statement, allowed):
  code = f'import sys\n{statement}\nprint(*sys.modules)'
  run = subprocess.run(
    [sys.executable, '-c', code],
    cwd=ROOT,
    env={**os.environ, 'PYTHONPATH': str(ROOT)},
    capture_output=True,
    text=True,
    check=True,
  )
  loaded = {name.partition('.')[0] for name in run.stdout.split()}
  assert loaded & HEAVY <= allowed
