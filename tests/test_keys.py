"""A workdir made before a method was mended: what it touched is made again."""

import csv
import dataclasses

import pytest

from elth_jax import datasets
from elth_jax.methods import METHODS
from elth_jax.runner import session
from elth_jax.study.config import base_config
from elth_jax.training.recipe import Recipe
from elth_jax.workdir.inspection import inspect
from tests.conftest import make_dataset

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
      'targets': ('mlp2',),
      'methods': ('imp', 'grasp', 'snip'),
      'width': 6,
      'levels': 1,
      'compare_levels': (1,),
      'replicates': 1,
      **values,
    }
  )


@pytest.fixture
def tiny(monkeypatch):
  monkeypatch.setitem(
    datasets.DATASETS, 'tiny', datasets.DatasetEntry(make_dataset)
  )


def keys_of(workdir):
  with (workdir / 'results.csv').open() as file:
    return {row['method']: row['key'] for row in csv.DictReader(file)}


def test_only_nodes_of_a_mended_method_are_made_again(
  tiny, monkeypatch, tmp_path, capsys
):
  with monkeypatch.context() as before:
    old = dataclasses.replace(METHODS['grasp'], version=1)
    before.setitem(METHODS, 'grasp', old)
    assert session.run(config(), tmp_path)
  made = keys_of(tmp_path)
  kept = (tmp_path / 'tickets/mlp2-r0-snip-level01.safetensors').stat()
  left = ' '.join(inspect(tmp_path).next)
  assert 'mlp2-r0-grasp-level01' in left and 'snip' not in left
  assert not inspect(tmp_path).damaged
  capsys.readouterr()

  assert session.run(config(), tmp_path)
  shown = capsys.readouterr()
  notes = [line for line in shown.out.splitlines() if line.startswith('NOTE')]
  assert sum('prunable weights alone' in note for note in notes) == 2
  now = keys_of(tmp_path)
  assert {name for name in now if now[name] != made[name]} == {'grasp'}
  names = {path.name for path in (tmp_path / 'outdated').rglob('mlp2*')}
  assert names == {'mlp2-r0-grasp-level01', 'mlp2-r0-grasp-level01.safetensors'}
  again = (tmp_path / 'tickets/mlp2-r0-snip-level01.safetensors').stat()
  assert again.st_mtime_ns == kept.st_mtime_ns


def test_more_score_batches_than_an_epoch_has_are_refused(tiny, tmp_path):
  asked = config(pruning={'batches': 4}, dry_run=True)
  with pytest.raises(session.ConfigError, match=r'pruning\.batches is 4.* 3 '):
    session.run(asked, tmp_path)
