"""Every field of a config: its name, meaning, type and default.

Read from the sources of the dataclasses that configs are made of, which stay
unloaded: `--help` must not wait for JAX.
"""

import ast
import dataclasses
import functools
import re
from collections.abc import Iterator
from pathlib import Path

_PACKAGE = Path(__file__).parent.parent
STUDY, RUN = 'The study', 'How it is run'
# title of a group -> prefix of its names, and the dataclass of its fields
GROUPS = {
  STUDY: ('', 'study/spec.py', 'StudySpec'),
  'Training (recipe)': ('recipe.', 'training/recipe.py', 'Recipe'),
  'Pruning by scores': ('pruning.', 'pruners/options.py', 'Pruning'),
  'Masks that change in training': (
    'sparse.',
    'dynamic/options.py',
    'Sparse',
  ),
  'Analyses': ('analyses.', 'study/spec.py', 'Analyses'),
  'The paper that is reproduced': ('paper.', 'study/spec.py', 'Paper'),
  RUN: ('', 'study/spec.py', 'RunOptions'),
}
# classes that are text in a config, and their text at its default
_TEXT_VALUES = {'Parallel': 'auto', 'Distributed': 'off'}
_NESTED = {prefix.removesuffix('.') for prefix, _, _ in GROUPS.values()}


@dataclasses.dataclass(frozen=True)
class Field:
  """One field of a config.

  Attributes:
    name: dotted, as on the command line behind `--config.`.
    meaning: in a sentence or two.
    type: as Python writes it; the choices of a `Literal` with bars between.
    default: as Python writes it; `None` where a config must give a value.
    group: of `GROUPS`.
  """

  name: str
  meaning: str
  type: str
  default: str | None
  group: str

  @property
  def choices(self) -> tuple[str, ...]:
    """All values, where there are few; else nothing."""
    if self.type == 'bool':
      return ('True', 'False')
    words = re.findall(r"'(\w*)'(?: \| |$)", self.type)
    whole = ' | '.join(repr(word) for word in words)
    return tuple(words) if whole == self.type else ()


# what `base_config` adds to the fields of the dataclasses
_ADDED = (
  Field(
    'published',
    'do all that the published runs did where our defaults differ; see '
    'docs/methods.md.',
    'bool',
    'False',
    STUDY,
  ),
  Field(
    'scale',
    "at which of the config's scales it is run: `paper` as it is written, or "
    'a key of `scales`.',
    'str',
    "'paper'",
    STUDY,
  ),
  Field(
    'scales',
    'scale -> the fields that it changes, nested as the config is.',
    'Mapping[str, Mapping[str, Any]]',
    '{}',
    STUDY,
  ),
)


@functools.cache
def config_fields() -> tuple[Field, ...]:
  """All fields that a config can have, in the order of `GROUPS`."""
  found = []
  for title, (prefix, path, name) in GROUPS.items():
    found += _fields_of(title, prefix, _PACKAGE / path, name)
    found += [field for field in _ADDED if field.group == title]
  return tuple(found)


def _fields_of(
  title: str, prefix: str, path: Path, name: str
) -> Iterator[Field]:
  module = ast.parse(path.read_text('utf-8'))
  (cls,) = (
    node
    for node in module.body
    if isinstance(node, ast.ClassDef) and node.name == name
  )
  meanings = _meanings(ast.get_docstring(cls) or '')
  for node in cls.body:
    if not isinstance(node, ast.AnnAssign):
      continue
    target = ast.unparse(node.target)
    if not prefix and target in _NESTED:  # a group of its own
      continue
    yield Field(
      prefix + target,
      meanings.get(target, ''),
      _type(node.annotation, path),
      _default(node.value),
      title,
    )


def _meanings(docstring: str) -> dict[str, str]:
  """Name -> text of each attribute that a docstring describes."""
  _, _, attributes = docstring.partition('Attributes:\n')
  parts = re.findall(
    r'^  (\w+): (.*(?:\n    .*)*)', attributes.partition('\n\n')[0], re.M
  )
  return {name: ' '.join(text.split()) for name, text in parts}


def _default(value: ast.expr | None) -> str | None:
  """What is written behind the `=` of a field, as a value."""
  if value is None:
    return None
  text = ast.unparse(value)
  if 'default_factory=dict' in text:
    return '{}'
  cls = ast.unparse(value.func) if isinstance(value, ast.Call) else ''
  return repr(_TEXT_VALUES[cls]) if cls in _TEXT_VALUES else text


def _type(annotation: ast.expr, path: Path) -> str:
  """A type as a person reads it: choices in place of `Literal` and aliases."""
  if isinstance(annotation, ast.Name):
    if annotation.id in _TEXT_VALUES:
      return 'str'
    alias = _alias(annotation.id, path)
    return _type(*alias) if alias else annotation.id
  if (
    isinstance(annotation, ast.Subscript)
    and ast.unparse(annotation.value) == 'Literal'
  ):
    inner = annotation.slice
    parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
    return ' | '.join(_type(part, path) for part in parts)
  return ast.unparse(annotation)


def _alias(name: str, path: Path) -> tuple[ast.expr, Path] | None:
  """What a module's `name = Literal[...]` stands for, followed to its home."""
  for node in ast.parse(path.read_text('utf-8')).body:
    if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
      return node.value, path
    if not isinstance(node, ast.ImportFrom) or not node.module:
      continue
    package, *parts = node.module.split('.')
    names = [alias.name for alias in node.names]
    if package == 'elth_jax' and name in names:
      return _alias(name, _PACKAGE.joinpath(*parts).with_suffix('.py'))
  return None
