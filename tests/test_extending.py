"""The files of docs/extending.md, outside the package, in one study."""

import csv
import importlib
import re
import sys
from pathlib import Path

import pytest

from elth_jax.datasets import DATASETS
from elth_jax.dynamic import DYNAMIC
from elth_jax.elastic.rules import RULES
from elth_jax.families import FAMILIES
from elth_jax.methods import METHODS
from elth_jax.runner import session
from elth_jax.runner.trackers import TRACKERS
from elth_jax.study.estimate import describe
from elth_jax.study.graph import build
from elth_jax.study.spec import read_config
from elth_jax.transfers import STEPS
from elth_jax.workdir.inspection import inspect

PAGE = Path(__file__).parent.parent / 'docs/extending.md'
REGISTRIES = {
  'residual_mlp': FAMILIES,
  'scattered': METHODS,
  'by_step': DYNAMIC,
  'mirror': RULES,
  'signs': STEPS,
  'stripes': DATASETS,
  'lines': TRACKERS,
}


@pytest.fixture(scope='module')
def experiment(tmp_path_factory):
  """The experiment of the page, whose files stand in a folder of their own."""
  folder = tmp_path_factory.mktemp('extending')
  text = PAGE.read_text()
  blocks = re.findall(r'```python (\w+)\.py\n(.*?)```', text, re.S)
  for name, code in blocks:
    (folder / f'{name}.py').write_text(code)
  assert {*REGISTRIES, 'stripes_experiment'} == {name for name, _ in blocks}
  assert not any(name in table for name, table in REGISTRIES.items())
  sys.path.insert(0, str(folder))
  try:
    yield importlib.import_module('stripes_experiment').get_config()
  finally:
    sys.path.remove(str(folder))
    for name, table in {**REGISTRIES, 'stripes_experiment': {}}.items():
      sys.modules.pop(name, None)
      table.pop(name, None)
    METHODS.pop('by_step', None)


@pytest.fixture(scope='module')
def finished(experiment, tmp_path_factory):
  workdir = tmp_path_factory.mktemp('stripes')
  assert session.run(experiment, workdir)
  return workdir


@pytest.mark.parametrize('name', REGISTRIES)
def test_each_file_registers_what_it_says(experiment, name):
  assert name in REGISTRIES[name]


def test_a_study_uses_all_of_them(finished):
  with (finished / 'results.csv').open() as file:
    rows = list(csv.DictReader(file))
  assert {row['dataset'] for row in rows} == {'stripes'}
  assert {row['target'] for row in rows} == {'residual_mlp2', 'residual_mlp4'}
  at_last = {row['method']: row for row in rows if row['level'] == '1'}
  assert set(at_last) == {'imp', 'ett', 'scattered', 'by_step'}
  assert at_last['ett']['order'] == 'signs, mirror'
  matched = {at_last[name]['sparsity'] for name in ('scattered', 'by_step')}
  assert matched == {at_last['imp']['sparsity']}
  told = (finished / 'lines.txt').read_text().splitlines()
  runs = {line.split()[0] for line in told if 'test_accuracy' in line}
  assert runs == {row['node'] for row in rows}
  assert inspect(finished).damaged == []
  session.run(read_again(finished), finished)  # finds nothing to do


def read_again(workdir):
  import stripes_experiment  # pyrefly: ignore

  return stripes_experiment.get_config()


def test_reports_and_dry_runs_name_and_explain_them(experiment, finished):
  page = (finished / 'report.html').read_text()
  for text in ('Scattered', 'By step', 'Residual MLP-4', 'signs, mirror'):
    assert text in page
  drawn = 'transformation_residual_mlp2_to_residual_mlp4_mirror.svg'
  assert (finished / 'figures' / drawn).is_file()
  spec, _ = read_config(experiment)
  nodes = build(spec, {'stripes': DATASETS['stripes'].load()})
  told = describe(nodes, spec, every=True)
  assert 'residual_mlp2 -> residual_mlp4: 0:0;1:1,2;' not in told
  assert 'residual_mlp2 -> residual_mlp4: 0:0,3;1:1,2' in told  # 0 1 1 0
  assert 'signs of residual_mlp4: one size for each leaf' in told


def test_a_rule_that_cannot_go_so_far_is_refused(experiment):
  experiment = experiment.copy_and_resolve_references()
  experiment.targets = ('residual_mlp6',)
  spec, _ = read_config(experiment)
  with pytest.raises(ValueError, match="'mirror' makes 4 units, not 6"):
    build(spec, {'stripes': DATASETS['stripes'].load()})
