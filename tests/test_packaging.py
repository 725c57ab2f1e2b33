"""What a package index, and a clone without pip, are told."""

import importlib.util
import re
import sys
import tomllib
import types
from pathlib import Path

import pytest

from elth_jax._version import __version__

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / 'pyproject.toml').read_text('utf-8'))['project']


@pytest.fixture
def build(monkeypatch):
  """hatch_build.py, as hatchling loads it."""
  name = 'hatchling.metadata.plugin.interface'
  module = types.ModuleType(name)
  module.MetadataHookInterface = object  # pyrefly: ignore
  monkeypatch.setitem(sys.modules, name, module)
  spec = importlib.util.spec_from_file_location('b', ROOT / 'hatch_build.py')
  assert spec and spec.loader
  found = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(found)
  return found


def test_the_readme_of_a_package_index_has_no_dead_links(build):
  text = (ROOT / 'README.md').read_text('utf-8')
  assert '](docs/' in text
  alone = build.readme(text, '')
  assert '](docs/' not in alone and 'docs/safety.md' in alone
  repository = 'https://github.com/x/y'
  linked = build.readme(text, repository)
  links = re.findall(r'\]\(([^)]+)\)', linked)
  assert links and all(link.startswith('https://') for link in links)
  assert f'[docs/safety.md]({repository}/blob/main/docs/safety.md)' in linked
  assert build.readme('[a](https://b) [c](#d)', '') == '[a](https://b) [c](#d)'


def test_addresses_are_of_the_one_constant(build):
  assert build.urls('') == {}
  found = build.urls('https://github.com/x/y')
  assert found['Issues'] == 'https://github.com/x/y/issues'
  hook = build.CustomMetadataHook()
  hook.root = str(ROOT)
  metadata = {}
  hook.update(metadata)
  assert metadata['readme']['content-type'] == 'text/markdown'
  assert {'readme', 'urls', 'version'} == set(PROJECT['dynamic'])


def test_one_version_everywhere():
  assert f'## {__version__}' in (ROOT / 'CHANGELOG.md').read_text('utf-8')
  citation = (ROOT / 'CITATION.cff').read_text('utf-8')
  assert f'version: {__version__}\n' in citation


def test_every_extra_that_an_error_names_is_there():
  named = set()
  for path in (ROOT / 'elth_jax').rglob('*.py'):
    named |= set(re.findall(r'elth_jax\[(\w+)\]', path.read_text('utf-8')))
  assert {'hub', 'tfds', 'torch'} <= named
  assert named <= PROJECT['optional-dependencies'].keys()
