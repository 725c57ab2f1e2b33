"""Finished nodes of other workdirs, taken by their keys."""

import csv
import shutil
from pathlib import Path

import chex
import pytest

from elth_jax import datasets
from elth_jax.process.signals import StudyStopped
from elth_jax.report import evidence
from elth_jax.runner import session
from elth_jax.study import data
from elth_jax.study.config import base_config
from elth_jax.study.graph import build
from elth_jax.study.spec import Analyses, Paper, read_config
from elth_jax.tickets.ticket import Ticket
from elth_jax.workdir import history, reuse
from elth_jax.workdir.inspection import inspect
from elth_jax.workdir.store import Store
from tests.conftest import SHORT, make_dataset


def config(**values):
  return base_config(
    **{
      'recipe': SHORT,
      'dataset': 'tiny',
      'sources': ('mlp2',),
      'targets': ('mlp3',),
      'methods': ('imp', 'ett'),
      'width': 6,
      'levels': 1,
      'compare_levels': (1,),
      'replicates': 1,
      **values,
    }
  )


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
  entry = datasets.DatasetEntry(make_dataset)
  monkeypatch.setitem(datasets.DATASETS, 'tiny', entry)


def rows(workdir):
  with (workdir / 'results.csv').open() as file:
    return {row['node']: row for row in csv.DictReader(file)}


def contents(folder):
  files = (path for path in folder.rglob('*') if path.is_file())
  return {p.relative_to(folder): p.read_bytes() for p in files}


def test_nodes_of_equal_keys_are_taken_and_checked(tmp_path, capsys):
  one, other = tmp_path / 'one', tmp_path / 'other'
  assert session.run(config(), one)
  before = contents(one)
  assert session.run(config(dry_run=True, reuse=str(one)), other)
  assert '9 nodes may be taken from other workdirs' in capsys.readouterr().out
  # a run whose weights are damaged is not taken, and made again
  broken = one / 'runs/mlp3-r0-imp-level01/trained.safetensors'
  content = bytearray(broken.read_bytes())
  content[-1] ^= 1
  broken.write_bytes(content)
  capsys.readouterr()
  assert session.run(config(replicates=2, reuse=str(one)), other)
  out = capsys.readouterr().out
  assert f'taken from {one}' in out
  assert 'mlp3-r0-imp-level01 is not taken' in out
  for name, row in rows(one).items():
    assert rows(other)[name] == row
  taken = other / 'runs/mlp2-r0-dense/trained.safetensors'
  assert taken.read_bytes() == before[Path('runs/mlp2-r0-dense') / taken.name]
  broken.write_bytes(before[broken.relative_to(one)])
  assert contents(one) == before  # it was only read
  assert inspect(other).damaged == []


def test_names_may_differ(tmp_path):
  """Seed 1 is the second replicate of one study, and the first of another."""
  one, other = tmp_path / 'one', tmp_path / 'other'
  assert session.run(config(seed=1), one)
  with pytest.raises(StudyStopped):  # before anything is trained
    session.run(
      config(replicates=2, reuse=f'{one}, {one}'),
      other,
      asked_to_stop=lambda: (other / 'runs/mlp3-r1-dense').exists(),
    )
  same = one / 'runs/mlp3-r0-dense/result.json'
  assert (other / 'runs/mlp3-r1-dense/result.json').read_bytes() == (
    same.read_bytes()
  )
  assert not (other / 'runs/mlp3-r0-dense').exists()


def test_what_was_made_of_other_parents_is_not_taken(tmp_path, capsys):
  """Tickets of equal keys are two where they are not made by one study."""
  one, other = tmp_path / 'one', tmp_path / 'other'
  asked = {'replicates': 2, 'methods': ('imp',)}
  assert session.run(config(seed=1, methods=('imp',)), one)
  with pytest.raises(StudyStopped):
    session.run(
      config(**asked),
      other,
      asked_to_stop=lambda: (other / 'runs/mlp3-r1-dense').exists(),
    )
  assert session.run(config(reuse=str(one), **asked), other)
  assert 'not taken: made from other parents' in capsys.readouterr().out
  assert inspect(other).damaged == []


def test_what_is_damaged_here_is_taken_too(tmp_path, capsys):
  one, other = tmp_path / 'one', tmp_path / 'other'
  assert session.run(config(), one)
  shutil.copytree(one, other)
  broken = other / 'runs/mlp3-r0-imp-level01/trained.safetensors'
  broken.write_bytes(broken.read_bytes()[:-1])
  capsys.readouterr()
  assert session.run(config(reuse=str(one)), other)
  assert f'1 node taken from {one}' in capsys.readouterr().out
  assert rows(other) == rows(one)
  assert inspect(other).damaged == []
  start = history.starts(other / 'sessions.jsonl')[-1]
  assert start and '1 node taken from' in start['taken'][-1]


def test_a_run_of_another_name_has_its_own_ticket(tmp_path):
  one, other = tmp_path / 'one', tmp_path / 'other'
  assert session.run(config(seed=1), one)
  both = session.run(config(replicates=2, reuse=str(one)), other)
  for run in ('mlp3-r0-imp-level01', 'mlp3-r1-imp-level01'):
    kept = Ticket.load(other / f'tickets/{run}.safetensors')
    assert both.ticket(run).sparsity > 0
    chex.assert_trees_all_equal(both.ticket(run).params, kept.params)
  (other / 'tickets/mlp3-r1-imp-level01.safetensors').unlink()
  message = r'runs/mlp3-r1-imp-level01 was trained from a ticket that is not'
  with pytest.raises(ValueError, match=message):
    both.ticket('mlp3-r1-imp-level01')
  damaged = other / 'tickets/mlp3-r0-imp-level01.safetensors'
  damaged.write_bytes(damaged.read_bytes()[:-1])
  with pytest.raises(
    ValueError, match=r'mlp3-r0-imp-level01\.safetensors .*used'
  ):
    both.ticket('mlp3-r0-imp-level01')


def test_barriers_of_another_name_are_of_their_own_replicate(tmp_path):
  one, other = tmp_path / 'one', tmp_path / 'other'
  asked = {
    'analyses': Analyses(connectivity=('imp',), points=2),
    'paper': Paper(title='A paper', question='Why?'),
  }
  assert session.run(config(seed=1, **asked), one)
  assert session.run(config(replicates=2, reuse=str(one), **asked), other)
  barriers = evidence.read(other).barriers
  assert sorted(about['replicate'] for about, _ in barriers) == [0, 1]


def test_a_folder_that_is_no_workdir_is_refused(tmp_path):
  with pytest.raises(session.ConfigError, match=r'reuse: .*is no workdir'):
    session.run(config(reuse=str(tmp_path)), tmp_path / 'new')


def test_what_another_process_has_just_published_stays(tmp_path, monkeypatch):
  """Of processes that share a workdir, the first one publishes."""
  one, other = tmp_path / 'one', tmp_path / 'other'
  assert session.run(config(), one)
  (other / 'tickets').mkdir(parents=True)
  spec, _ = read_config(config())
  nodes = build(spec, data.outline(spec))
  store = Store(other)
  monkeypatch.setattr(Store, 'shared', True)
  copy = reuse._copy

  def meanwhile(product, store, node, notes):
    theirs = other / product.relative_to(one)
    if not product.is_file():  # a run
      theirs.mkdir(parents=True)
      theirs /= 'result.json'
    theirs.write_bytes(b'theirs')
    return copy(product, store, node, notes)

  monkeypatch.setattr(reuse, '_copy', meanwhile)
  monkeypatch.setattr(reuse, '_has_our_parents', lambda *_: True)
  assert reuse.take(store, nodes, [one]) == ([], [])
  assert set(contents(other).values()) == {b'theirs'}
