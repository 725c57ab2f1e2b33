"""A workdir made before a method was mended: what it touched is made again."""

import csv
import dataclasses

import pytest

from elth_jax import datasets
from elth_jax.methods import METHODS
from elth_jax.runner import session
from elth_jax.study import keys, nodes
from elth_jax.study.config import base_config
from elth_jax.study.graph import build
from elth_jax.study.spec import read_config
from elth_jax.workdir.inspection import inspect
from tests.conftest import SHORT, make_dataset


def config(**values):
  return base_config(
    **{
      'recipe': SHORT,
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


def mend_grasp(monkeypatch):
  new = dataclasses.replace(METHODS['grasp'], version=2)
  monkeypatch.setitem(METHODS, 'grasp', new)
  change = keys.Mended('GraSP skips biases', 'grasp', 2)
  monkeypatch.setattr(keys, 'MENDED', (change,))


def test_only_nodes_of_a_mended_method_are_made_again(
  tiny, monkeypatch, tmp_path, capsys
):
  assert session.run(config(), tmp_path)
  mend_grasp(monkeypatch)
  made = keys_of(tmp_path)
  kept = (tmp_path / 'tickets/mlp2-r0-snip-level01.safetensors').stat()
  left = ' '.join(inspect(tmp_path).next)
  assert 'mlp2-r0-grasp-level01' in left and 'snip' not in left
  assert not inspect(tmp_path).damaged
  capsys.readouterr()

  assert session.run(config(), tmp_path)
  shown = capsys.readouterr()
  notes = [line for line in shown.out.splitlines() if line.startswith('NOTE')]
  assert sum('GraSP skips biases' in note for note in notes) == 2
  now = keys_of(tmp_path)
  assert {name for name in now if now[name] != made[name]} == {'grasp'}
  names = {path.name for path in (tmp_path / 'outdated').rglob('mlp2*')}
  assert names == {'mlp2-r0-grasp-level01', 'mlp2-r0-grasp-level01.safetensors'}
  again = (tmp_path / 'tickets/mlp2-r0-snip-level01.safetensors').stat()
  assert again.st_mtime_ns == kept.st_mtime_ns


def test_what_was_mended_twice_is_told_from_the_state_it_is_in(
  dataset, monkeypatch
):
  spec, _ = read_config(config())
  first = build(spec, {'tiny': dataset})['mlp2-r0-grasp-level01']
  mend_grasp(monkeypatch)
  second = build(spec, {'tiny': dataset})['mlp2-r0-grasp-level01']
  changes = (*keys.MENDED, keys.Mended('masks are drawn anew', 'train', 2))
  monkeypatch.setattr(keys, 'MENDED', changes)
  monkeypatch.setattr(nodes.Train, 'version', 2)
  third = build(spec, {'tiny': dataset})['mlp2-r0-grasp-level01']
  assert third.earlier == (first.key, second.key)
  since_second = keys.mended_since(second.key, third.earlier, third.key)
  assert since_second == 'masks are drawn anew'
  assert keys.mended_since(first.key, third.earlier, third.key) == (
    'GraSP skips biases; masks are drawn anew'
  )
  assert keys.mended_since(third.key, third.earlier, third.key) == ''
  assert keys.mended_since('0' * 64, third.earlier, third.key) == ''


@dataclasses.dataclass(frozen=True, kw_only=True)
class Later(nodes.Train):
  """Training as a later version may have it: with one more option."""

  kind = 'train'
  ema: float = 0.0


def test_a_field_added_later_changes_no_key_until_it_is_used(dataset):
  spec, _ = read_config(config())
  planned = build(spec, {'tiny': dataset})
  run = planned['mlp2-r0-dense']
  parents = {role: planned[name] for role, name in run.parents.items()}
  names = {field.name for field in dataclasses.fields(run)}
  values = {name: getattr(run, name) for name in names}
  assert keys.with_keys(Later(**values), parents).key == run.key
  assert keys.with_keys(Later(**values, ema=0.9), parents).key != run.key


def test_keys_have_plain_values_alone(dataset):
  spec, _ = read_config(config())
  run = build(spec, {'tiny': dataset})['mlp2-r0-rewind']
  strange = dataclasses.replace(run, seed=object())
  with pytest.raises(TypeError, match='no key can have <object'):
    keys.with_keys(strange, {})


def test_more_score_batches_than_an_epoch_has_are_refused(tiny, tmp_path):
  asked = config(pruning={'batches': 4}, dry_run=True)
  with pytest.raises(session.ConfigError, match=r'pruning\.batches is 4.* 3 '):
    session.run(asked, tmp_path)


def test_recomputed_statistics_alone_have_another_key(dataset):
  methods = ('imp', 'rigl')

  def connected(**analyses):
    asked = {'connectivity': methods, **analyses}
    spec, _ = read_config(config(methods=methods, analyses=asked))
    planned = build(spec, {'tiny': dataset})
    for method in methods:
      node = planned[f'mlp2-r0-{method}-level01-connectivity']
      parents = {role: planned[name] for role, name in node.parents.items()}
      before = dataclasses.replace(node, statistics_version=1)
      yield node, keys.with_keys(before, parents).key

  for node, before in connected():
    assert node.key == before and 'statistics' not in node.record()
  for node, before in connected(statistics='recomputed'):
    assert node.key != before
    told = keys.mended_since(before, node.earlier, node.key)
    assert told == 'recomputed BN statistics are means over batches'
