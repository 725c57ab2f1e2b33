"""Registries, and entries that files outside the package register."""

import importlib
import subprocess
import sys

import numpy as np
import pytest

from elth_jax import datasets, families
from elth_jax.dynamic import DYNAMIC
from elth_jax.families import FAMILIES, architecture
from elth_jax.masks import counts
from elth_jax.methods import METHODS, Setting, Sparse, register
from elth_jax.methods.dynamic_sparse import register_dynamic
from elth_jax.methods.styles import SPARE
from elth_jax.registry import Registry, import_modules
from elth_jax.report import analysis_figures, figures, summary
from elth_jax.report.summary import Cell
from elth_jax.training.loop import fit
from elth_jax.training.trainer import Trainer
from elth_jax.trees import flatten


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
  registries: list = [FAMILIES, METHODS, DYNAMIC, datasets.DATASETS]
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

from elth_jax import datasets, families


class Line(nn.Module):
  classes: int

  @nn.compact
  def __call__(self, images, valid=None, train=False):
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
  own = [f for f in FAMILIES.values() if f.module.__module__.startswith('elth')]
  assert len(own) == 8
  for family in own:
    assert family.label and family.doc.endswith('.')


METHOD = """
from elth_jax.methods import register
from elth_jax.methods.scores import selected
from elth_jax.pruners import random_scores


@register('scattered', 'rewind', 'imp', label=LABEL, count_only=('imp',))
def scattered(tickets, setting):
  \"\"\"Random masks.\"\"\"
  params = tickets['rewind'].params
  return selected(tickets, setting, random_scores(params, setting.seed))
"""


def cell(method, label='', level=1):
  return Cell('mlp2', label or method, method, level, 0.1 * level, {0: 0.5})


def colours(*methods):
  """method -> the colour that each of the figures draws it in."""
  lines = {name: [[0.5, 0.4, 0.5]] for name in methods}
  drawn = (
    figures.accuracy(
      ['mlp2'], [cell(name, level=n) for name in methods for n in (1, 2)]
    ),
    figures.accuracy(['mlp2'], [cell(name) for name in reversed(methods)]),
    analysis_figures.connectivity(
      'mlp2', 1, lines, {name: name for name in methods}
    ),
  )
  first, rows, last = (figure.axes[0] for figure in drawn)
  marks = [line for line in rows.lines if line.get_marker() == '.']
  return {
    name: {
      first.lines[number].get_color(),
      marks[-1 - number].get_color(),
      last.lines[number].get_color(),
    }
    for number, name in enumerate(methods)
  }


def test_a_method_of_ones_own_makes_tickets_and_is_drawn(
  imported, unregistered, tickets, dataset
):
  imported('scattering', METHOD.replace('LABEL', "'Scattered'"))
  method = METHODS['scattered']
  assert (method.label, method.doc) == ('Scattered', 'Random masks.')
  dense, sparse = tickets
  made = method.make(
    {'rewind': dense, 'imp': sparse}, Setting(1, 0, dataset, 8)
  )
  assert counts(made.masks) == counts(sparse.masks)
  drawn = colours('imp', 'snip', 'scattered', 'ett_reinit')
  assert all(len(of) == 1 for of in drawn.values()), drawn
  assert len({*map(frozenset, drawn.values())}) == 4
  assert drawn['snip'] == {'#CC79A7'} and drawn['scattered'] == {method.colour}


def test_a_cell_of_a_notebook_that_runs_again_keeps_its_colour(unregistered):
  def scatter(**options):
    return register('scattered', 'rewind', **options)(lambda *_: None)

  scatter()
  register('other', 'rewind')(scatter)
  before = METHODS['scattered'].styles
  with pytest.raises(ValueError, match="a method 'scattered' already"):
    scatter()
  scatter(replace=True, label='Anew')
  assert METHODS['scattered'].label == 'Anew'
  assert METHODS['scattered'].styles == before != METHODS['other'].styles


def test_no_two_methods_of_this_library_look_alike():
  styles = [style for m in METHODS.values() for style in m.styles]
  assert len({*styles, *SPARE}) == len(styles) + len(SPARE)
  assert all(m.label and m.doc for m in METHODS.values())


def test_several_lines_of_one_method_differ():
  cells = [
    cell(method, f'{method} from {source}', level)
    for method in ('ett', 'ett_reinit')
    for source in 'abc'
    for level in (1, 2)
  ]
  lines = figures.accuracy(['mlp2'], cells).axes[0].lines
  assert lines[0].get_color() == METHODS['ett'].colour
  assert lines[3].get_color() == METHODS['ett_reinit'].colour
  assert len({(o.get_color(), o.get_marker()) for o in lines}) == 6


@pytest.mark.parametrize(
  ('name', 'needs', 'options', 'message'),
  [
    ('My method', ('imp',), {}, "method name 'My method': use lower-case"),
    ('dense', ('imp',), {}, "method name 'dense': results"),
    ('mine', ('impp',), {}, "method 'mine': unknown role 'impp'; .* 'imp'"),
    ('mine', ('imp',), {'count_only': ('im',)}, "unknown role 'im'"),
    ('mine', ('source_rewind',), {}, "add the role 'source'"),
    ('mine', ('imp',), {'uses': ('pruner',)}, "use 'pruner'; .*'pruning'"),
    ('mine', ('imp',), {'title': 'Mine'}, "unknown option 'title'"),
    ('mine', ('imp',), {'dynamic': 'rigel'}, "dynamic method 'rigel'"),
  ],
)
def test_a_method_that_cannot_be(name, needs, options, message):
  with pytest.raises(ValueError, match=message):
    register(name, *needs, **options)
  assert name not in METHODS


DYNAMIC_METHOD = """
from elth_jax import dynamic
from elth_jax.methods.dynamic_sparse import register_dynamic


@dynamic.register(
  'frozen',
  lambda sparse: {'twice': 2 * sparse.interval},
  label='Frozen',
  starts_dense=DENSE,
)
def frozen(options, training):
  \"\"\"Masks stay as they are.\"\"\"
  assert options == {'twice': 14}
  return dynamic.Dynamic(
    init=lambda keep, seed: {},
    masks=lambda step, params, masks, state: (masks, state),
  )


register_dynamic('frozen')
"""


@pytest.mark.parametrize('dense', [False, True])
def test_a_dynamic_method_of_ones_own_is_trained(
  dense, imported, unregistered, tickets, recipe, dataset, net
):
  imported('freezing', DYNAMIC_METHOD.replace('DENSE', str(dense)))
  method = METHODS['frozen']
  assert (method.label, method.doc) == ('Frozen', 'Masks stay as they are.')
  settings = method.dynamic_settings(Sparse(interval=7))
  assert settings == {'method': 'frozen', 'twice': 14}
  roles = dict(zip(('rewind', 'imp'), tickets, strict=True))
  made = method.make(roles, Setting(1, 0, dataset, 8))
  wanted = tickets[0] if dense else tickets[1]
  assert counts(made.masks) == counts(wanted.masks)
  trainer = Trainer(net, recipe, dataset, dynamic=settings)
  keep = made.provenance['keep']
  states, _ = fit(trainer, [trainer.start(made, 2, keep, 0)], [0], 4)
  for name, mask in flatten(states[0].masks).items():
    if mask is not None:
      before = flatten(made.masks)[name]
      np.testing.assert_array_equal(np.squeeze(mask), np.squeeze(before))
  with pytest.raises(ValueError, match="dynamic method 'frozn'; did you mean"):
    register_dynamic('frozn')


def test_a_dynamic_method_may_be_registered_before_methods_are_imported():
  """In a process of its own, where nothing has imported them."""
  code = (
    'from elth_jax import dynamic\n'
    "dynamic.register('mine', lambda sparse: {})(lambda *given: None)\n"
    'from elth_jax.methods import METHODS, dynamic_sparse\n'
    "dynamic_sparse.register_dynamic('mine')\n"
    "print(METHODS['mine'].dynamic)\n"
  )
  run = subprocess.run(
    [sys.executable, '-c', code], capture_output=True, text=True
  )
  assert run.stdout == 'mine\n', run.stderr


def test_every_dynamic_method_has_a_method_that_trains_with_it():
  assert set(DYNAMIC) == {m.dynamic for m in METHODS.values()} - {''}


DATASET = """
from elth_jax import datasets
from tests.conftest import make_dataset

datasets.register('mine', make_dataset, label='Mine', replace=REPLACE)
"""


def test_a_data_set_of_ones_own_has_a_label_in_reports(imported, unregistered):
  imported('my_data', DATASET.replace('REPLACE', 'False'))
  assert datasets.load('mine').examples == 22
  row = {
    'target': 'mlp2',
    'source': 'mlp3',
    'method': 'ett',
    'order': 'append',
    'source_dataset': 'mine',
  }
  assert summary.label_of(row) == 'ETT from MLP-3 on Mine (append)'
  row['source_dataset'] = 'cifar10'
  assert summary.label_of(row) == 'ETT from MLP-3 on CIFAR-10 (append)'
  row['source_dataset'] = 'elsewhere'  # of a study whose file is not here
  assert summary.label_of(row) == 'ETT from MLP-3 on elsewhere (append)'
  with pytest.raises(ValueError, match="a data set 'mine' already"):
    imported('my_data', DATASET.replace('REPLACE', 'False'))
  imported('my_data', DATASET.replace('REPLACE', 'True'))


def test_every_data_set_says_what_it_is():
  for entry in datasets.DATASETS.values():
    assert entry.label and entry.doc.endswith('.')
