"""A hook of mkdocs: pages that are made from code and files beside docs/.

The reference of names and of config fields, the commands, the notebooks, and
CONTRIBUTING, SECURITY and CHANGELOG. Links that lead out of docs/ go to the
repository, or become text while its address is not known.
"""

import importlib
import inspect
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from mkdocs.plugins import event_priority
from mkdocs.structure.files import File

from elth_jax._version import REPOSITORY
from elth_jax.cli import commands
from elth_jax.runner import usage
from elth_jax.study.fields import GROUPS, config_fields

ROOT = Path(__file__).parent.parent
# pages of the list in mkdocs.yml that may be missing
OPTIONAL = {'cluster.md'}
BESIDE = {  # page -> file of the clone
  'contributing.md': 'CONTRIBUTING.md',
  'security.md': 'SECURITY.md',
  'changelog.md': 'CHANGELOG.md',
}
# page of the reference -> title, and modules whose public names it has
REFERENCE = {
  'elth_jax': ('The package', ['elth_jax']),
  'elastic': (
    'Plans, layouts and rules',
    [
      'elth_jax.elastic.rules',
      'elth_jax.elastic.replicas',
      'elth_jax.elastic.sparsity',
      'elth_jax.elastic.width',
    ],
  ),
  'tickets': (
    'Tickets and masks',
    [
      'elth_jax.tickets.transform',
      'elth_jax.tickets.widths',
      'elth_jax.tickets.explanation',
      'elth_jax.tickets.card_metadata',
      'elth_jax.tickets.pytorch',
      'elth_jax.masks',
    ],
  ),
  'families': ('Families of networks', ['elth_jax.families']),
  'datasets': ('Data sets', ['elth_jax.datasets']),
  'methods': (
    'Methods, pruners and dynamic methods',
    [
      'elth_jax.methods',
      'elth_jax.methods.lottery',
      'elth_jax.pruners',
      'elth_jax.dynamic',
      'elth_jax.transfers',
    ],
  ),
  'optim': ('Sparse training in your own loop', ['elth_jax.optim']),
  'training': (
    'Training',
    [
      'elth_jax.training.recipe',
      'elth_jax.training.trainer',
      'elth_jax.training.loop',
    ],
  ),
  'study': (
    'Studies',
    [
      'elth_jax.study.config',
      'elth_jax.study.spec',
      'elth_jax.study.shipped',
      'elth_jax.study.claims',
      'elth_jax.study.published',
    ],
  ),
  'analysis': (
    'Analyses and statistics',
    ['elth_jax.analysis', 'elth_jax.statistics'],
  ),
  'extending': (
    'Registries and trackers',
    ['elth_jax.registry', 'elth_jax.runner.trackers', 'elth_jax.aot'],
  ),
}
FENCE = re.compile(r'^```python (\S+)$', re.M)  # a file, or no-run
LINK = re.compile(r'\[([^\]]+)\]\((?!https?:|mailto:|#)([^)\s]+)\)')


def on_config(config):
  """Leaves out pages that are still to come; links the repository."""
  missing = {name for name in OPTIONAL if not (ROOT / 'docs' / name).is_file()}
  config.nav = _without(config.nav, missing)
  config.repo_url = REPOSITORY or None
  return config


def _without(nav, missing):
  """The list of pages, at any depth, without some."""
  if isinstance(nav, dict):
    return {title: _without(inner, missing) for title, inner in nav.items()}
  if isinstance(nav, list):
    kept = [item for item in nav if str(item) not in missing]
    return [_without(item, missing) for item in kept]
  return nav


@event_priority(100)  # before the plugin that turns notebooks into pages
def on_files(files, config):
  """Adds the pages that are made here."""
  for name, text in _pages():
    files.append(File.generated(config, name, content=text))
  for path in sorted((ROOT / 'notebooks').glob('*.ipynb')):
    place = f'notebooks/{path.name}'
    whole = File(place, str(ROOT), config.site_dir, config.use_directory_urls)
    files.append(whole)
  return files


def on_page_markdown(markdown, page, **_):
  """Links that lead out of docs/ go to the repository; code gets titles."""
  folder = posixpath.dirname(BESIDE.get(page.file.src_uri, page.file.src_uri))
  start = '' if page.file.src_uri in BESIDE else 'docs'

  def link(found: re.Match) -> str:
    text, target = found.groups()
    path, mark, anchor = target.partition('#')
    whole = posixpath.normpath(posixpath.join(start, folder, path))
    if page.file.src_uri in BESIDE and whole in BESIDE.values():
      (name,) = (name for name, file in BESIDE.items() if file == whole)
      return f'[{text}]({name}{mark}{anchor})'
    if not whole.startswith('docs/'):
      address = f'{REPOSITORY}/blob/main/{whole}{mark}{anchor}'
      return f'[{text}]({address})' if REPOSITORY else text
    if page.file.src_uri in BESIDE:
      return f'[{text}]({whole.removeprefix("docs/")}{mark}{anchor})'
    return found[0]

  return FENCE.sub(_titled, LINK.sub(link, markdown))


def _titled(found: re.Match) -> str:
  """A block of code as mkdocs has it, with its file's name above."""
  name = found[1]
  return '```python' + (f' title="{name}"' if name.endswith('.py') else '')


def _pages() -> Iterator[tuple[str, str]]:
  """(name, Markdown) of each page."""
  for name, file in BESIDE.items():
    yield name, (ROOT / file).read_text('utf-8')
  yield 'reference/config.md', config_page()
  yield 'reference/commands.md', commands_page()
  for name, (title, modules) in REFERENCE.items():
    blocks = [f'# {title}']
    for module in modules:
      blocks += [f'::: {home}' for home in public_names(module)]
    yield f'reference/{name}.md', '\n\n'.join(blocks)


def public_names(module: str) -> list[str]:
  """Where each public name of a module is at home, once.

  Those in `__all__`, or all that a module defines without an underscore.
  """
  found = importlib.import_module(module)
  names = getattr(found, '__all__', None)
  if names is None:
    names = [
      name
      for name, value in vars(found).items()
      if not name.startswith('_')
      and getattr(value, '__module__', None) == module
      and not isinstance(value, TypeVar)
    ]
  homes = []
  for name in names:
    value = getattr(found, name)
    is_named = inspect.isclass(value) or inspect.isfunction(value)
    home = value.__module__ if is_named else module
    if home.startswith('elth_jax'):
      homes.append(f'{home}.{value.__name__ if is_named else name}')
  return list(dict.fromkeys(homes))


def config_page() -> str:
  """Every field of a config, as `--help` has it."""
  lines = [
    '# Fields of a config',
    '',
    'A config is an `ml_collections.ConfigDict` that `base_config` makes. Any '
    'field is set in its file, or on the command line as '
    '`--config.FIELD=VALUE`. Defaults are those of a config that does not set '
    'the field. `elth-jax run --help` prints the same.',
  ]
  for title in GROUPS:
    lines += ['', f'## {title}', '']
    lines += [
      '| field | type | default | meaning |',
      '| --- | --- | --- | --- |',
    ]
    for field in config_fields():
      if field.group == title:
        default = 'required' if field.default is None else f'`{field.default}`'
        cells = f'`{field.name}`', f'`{field.type}`', default, field.meaning
        lines.append(
          '| ' + ' | '.join(cell.replace('|', '\\|') for cell in cells) + ' |'
        )
  return '\n'.join(lines) + '\n'


def commands_page() -> str:
  """What each command takes."""
  lines = [
    '# Commands',
    '',
    '`elth-jax COMMAND`, or `python -m elth_jax COMMAND`. `python -m '
    'elth_jax.main` is `elth-jax run`; `elth_jax.doctor`, `elth_jax.prepare` '
    'and `elth_jax.reproduction` are commands too.',
    '',
    '## elth-jax run',
    '',
    '```text',
    usage.DESCRIPTION,
    '',
    usage.EPILOG,
    '```',
    '',
    'Its options are `--config`, `--workdir`, `--compilation_cache` (a folder '
    'for compiled programs, or `off`), and every [field](config.md).',
  ]
  for word, command in commands.COMMANDS.items():
    help_text = command.load().parser().format_help()
    lines += ['', f'## elth-jax {word}', '', '```text', help_text, '```']
  return '\n'.join(lines) + '\n'
