"""Notebooks as they are committed: `.ci/run` runs them from the wheel."""

import importlib.util
import json
import re
from pathlib import Path

import pytest

from elth_jax._version import REPOSITORY

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted(ROOT.glob('notebooks/*.ipynb'))
HOSTS = r'https?://[^\s)"\\]*(?:github|gitlab|colab)[^\s)"\\]*'


def heads():
  path = ROOT / 'notebooks' / 'heads.py'
  found = importlib.util.spec_from_file_location('heads', path)
  module = importlib.util.module_from_spec(found)
  found.loader.exec_module(module)
  return module


HEADS = heads()


def text_of(cell):
  return ''.join(cell['source'])


def test_every_notebook_has_a_title_and_the_readme_names_it():
  assert {path.stem for path in NOTEBOOKS} == HEADS.TITLES.keys()
  readme = (ROOT / 'README.md').read_text('utf-8')
  for path in NOTEBOOKS:
    assert f'notebooks/{path.name}' in readme


@pytest.mark.parametrize('path', NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_has_no_outputs_and_the_head_of_all(path):
  notebook = json.loads(path.read_text('utf-8'))
  assert HEADS.with_head(notebook, path.stem) == notebook
  code = [cell for cell in notebook['cells'] if cell['cell_type'] == 'code']
  assert not any(cell['outputs'] or cell['execution_count'] for cell in code)
  assert len(code) < len(notebook['cells']) < 40
  titles = ''.join(map(text_of, notebook['cells']))
  assert '**What to look at.**' in titles


@pytest.mark.parametrize(
  'path', [*NOTEBOOKS, ROOT / 'README.md'], ids=lambda path: path.stem
)
def test_the_repository_has_one_address_or_none(path):
  text = path.read_text('utf-8')
  if path.suffix == '.ipynb':  # `heads.py` writes the first two cells
    rest = json.loads(text)['cells'][2:]
    text = '\n'.join(map(text_of, rest))
  for address in re.findall(HOSTS, text):
    assert REPOSITORY and address.startswith(REPOSITORY), address


def test_an_address_brings_a_badge_and_a_line_that_installs():
  address = 'https://github.com/owner/name'
  title = HEADS.title_cell('your_own_loop', address)
  page = 'colab.research.google.com/github/owner/name/blob/main/notebooks'
  assert f'{page}/your_own_loop.ipynb' in title
  assert f'elth_jax @ git+{address}"' in HEADS.install_cell(address)
  assert re.findall(HOSTS, title) and re.findall(HOSTS, address)
  without = HEADS.title_cell('your_own_loop', '') + HEADS.install_cell('')
  assert not re.findall(HOSTS, without) and '%pip' not in without
