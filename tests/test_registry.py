"""Registries, and entries that files outside the package register."""

import importlib
import sys

import pytest

from elth_jax import families
from elth_jax.families import FAMILIES, architecture
from elth_jax.registry import Registry, import_modules


@pytest.fixture
def imported(tmp_path, monkeypatch):
  """Imports a module of one's own from its text; undone after the test."""
  monkeypatch.syspath_prepend(tmp_path)

  def do(name, text):
    (tmp_path / f'{name}.py').write_text(text, encoding='utf-8')
    importlib.invalidate_caches()
    monkeypatch.delitem(sys.modules, name, raising=False)
    return importlib.import_module(name)

  return do


@pytest.fixture
def unregistered():
  """Takes out of registries what a test has put in."""
  registries = [FAMILIES]
  before = [dict(registry) for registry in registries]
  yield
  for registry, entries in zip(registries, before, strict=True):
    registry.clear()
    registry.update(entries)


def test_a_registry_refuses_a_name_that_is_taken_and_one_that_is_not_there():
  things = Registry[int]('thing')
  assert things.register('one', 1) == 1
  with pytest.raises(
    ValueError, match=r"a thing 'one' already; .*replace=True"
  ):
    things.register('one', 2)
  things.register('one', 2, replace=True)
  assert things.find('one') == things['one'] == 2
  with pytest.raises(
    ValueError, match="unknown thing 'on'; did you mean 'one'"
  ):
    things.find('on')
  del things['one']
  assert not things


def test_every_module_of_a_package_is_imported_and_no_package_within(
  tmp_path, monkeypatch
):
  monkeypatch.syspath_prepend(tmp_path)
  package = tmp_path / 'found_here'
  (package / 'within').mkdir(parents=True)
  (package / '__init__.py').write_text('SEEN = []\n')
  for name in 'ab':
    (package / f'{name}.py').write_text(
      f'import found_here\nfound_here.SEEN.append({name!r})\n'
    )
  (package / 'within' / '__init__.py').write_text('raise ImportError\n')
  found_here = importlib.import_module('found_here')
  import_modules('found_here', found_here.__path__)
  assert found_here.SEEN == ['a', 'b']


FAMILY = """
import flax.linen as nn

from elth_jax import families


class Line(nn.Module):
  classes: int

  @nn.compact
  def __call__(self, images, weights=None, train=False):
    x = images.reshape(len(images), -1)
    return nn.Dense(self.classes, use_bias=BIAS, name='head')(x)


families.register(
  families.Family(
    name='line',
    label='Line',
    width=1,
    depths=lambda number: {'stage1': number},
    module=lambda net, backend: Line(net.classes),
  ),
  replace=REPLACE,
)
"""


def test_a_family_of_ones_own_and_its_replacement(imported, unregistered):
  first = FAMILY.replace('BIAS', 'True').replace('REPLACE', 'False')
  imported('lines', first)
  net = architecture('line3', (2, 2, 1), 3)
  assert families.pretty('line3') == 'Line-3'
  assert net.parameters() == {'head/bias': 3, 'head/kernel': 12}
  with pytest.raises(ValueError, match="a family 'line' already"):
    imported('lines', first)
  imported('lines', FAMILY.replace('BIAS', 'False').replace('REPLACE', 'True'))
  assert net.parameters() == {'head/kernel': 12}


def test_every_family_says_what_it_is():
  for family in FAMILIES.values():
    assert family.label and family.doc.endswith('.')
