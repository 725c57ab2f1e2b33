"""A workdir of an earlier version: it opens, and the study goes on in it.

`tests/data/workdir` was made by `config()` when keys got their present form.
Never make it again: a change that fails here would lose people's work. If a
method is mended on purpose, say so in `study.keys.MENDED`, and here.
"""

import csv
import re
import shutil
from pathlib import Path

import pytest

from elth_jax import datasets
from elth_jax.runner import session
from elth_jax.runner.study import Study
from elth_jax.study.config import base_config
from elth_jax.study.spec import Analyses
from elth_jax.tickets.ticket import Ticket
from elth_jax.training.recipe import Recipe
from elth_jax.workdir.inspection import inspect
from tests.conftest import make_dataset

DATA = Path(__file__).parent / 'data/workdir'
RECIPE = Recipe(
  batch_size=8,
  epochs=2,
  drop_epochs=(),
  rewind_step=1,
  flip=False,
  crop_padding=0,
)


def config(**values):
  return base_config(
    **{
      'recipe': RECIPE,
      'dataset': 'tiny',
      'sources': ('mlp2',),
      'targets': ('mlp3',),
      'methods': ('imp', 'ett', 'snip', 'rigl'),
      'orders': ('interpolate',),
      'width': 6,
      'levels': 1,
      'compare_levels': (1,),
      'prune_fraction': 0.5,
      'replicates': 1,
      'analyses': Analyses(connectivity=('imp',), points=2, overlap=True),
      **values,
    }
  )


@pytest.fixture
def workdir(tmp_path, monkeypatch):
  entry = datasets.DatasetEntry(make_dataset)
  monkeypatch.setitem(datasets.DATASETS, 'tiny', entry)
  return shutil.copytree(DATA, tmp_path / 'workdir')


def contents(workdir, *folders):
  return {
    path.relative_to(workdir): path.read_bytes()
    for folder in folders
    for path in sorted((workdir / folder).rglob('*'))
    if path.is_file()
  }


def test_it_opens_and_nothing_is_left_to_do(workdir, capsys):
  before = contents(workdir, '.')
  assert inspect(workdir).damaged == []
  assert session.run(config(), workdir)
  shown = capsys.readouterr().out
  assert re.search(r'(\d+) of \1 nodes are done', shown)
  assert 'made again' not in shown
  after = contents(workdir, 'runs', 'tickets')
  assert after.items() <= before.items()
  old = before[Path('results.csv')].decode().splitlines()
  columns = len(old[0].split(','))  # later versions may add some
  new = (workdir / 'results.csv').read_text().splitlines()
  assert [','.join(row.split(',')[:columns]) for row in new] == old


def test_the_study_goes_on(workdir):
  before = contents(workdir, 'runs', 'tickets')
  assert session.run(config(replicates=2), workdir)
  assert before.items() <= contents(workdir, 'runs', 'tickets').items()
  with (workdir / 'results.csv').open() as file:
    replicates = [row['replicate'] for row in csv.DictReader(file)]
  assert replicates.count('0') == replicates.count('1') > 0
  assert inspect(workdir).damaged == []


@pytest.mark.parametrize('run', ['mlp3-r0-imp-level01', 'mlp3-r0-rigl-level01'])
def test_its_runs_are_published(workdir, tmp_path, run):
  study = Study.open(workdir)
  trained = study.trained(run)
  study.ticket(run).save_pretrained(tmp_path / 'hub', beside=trained)
  published = Ticket.from_pretrained(tmp_path / 'hub', state='trained')
  assert published.sparsity == trained.sparsity


def test_its_tickets_and_trained_networks_are_tickets(workdir):
  study = Study.open(workdir)
  data = make_dataset()
  accuracy = {row['node']: row['test_accuracy'] for row in study.results}
  assert accuracy.keys() < set(study.runs) and len(study.tickets) == 7
  for name in study.tickets:
    assert study.ticket(name).state == 'rewound'
  twin = study.ticket('mlp3-r0-imp-level01-twin')  # of another run's ticket
  assert repr(twin) == repr(study.ticket('mlp3-r0-imp-level01'))
  for name in study.runs:
    trained = study.trained(name)
    assert trained.state == 'trained'
    if name in accuracy:
      found = trained.evaluate(data.test_images, data.test_labels)
      assert found == pytest.approx(accuracy[name])
